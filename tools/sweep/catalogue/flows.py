"""Normalizing flows (`nflows`, `normflows`), neural operators and the CLIP family of `open_clip`.

The forward of a flow is the log-density of its input. `nflows.flows` imports a library for plots,
so that the standard normal is put on top of the transforms here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.case import Case, Sample
from tests.zoo.libraries import torchvision_models

WIDTH = 6  # features of the data
HIDDEN = 10

Options = Mapping[str, Any]


class LogDensity(nn.Module):
    """The log-density that an `nflows` transform gives its input, from a standard normal."""

    def __init__(self, transform: Any) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, x: Tensor) -> Tensor:
        z, stretch = self.transform(x)
        z = z.flatten(1)
        density: Tensor = stretch - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
        return density


class LogProb(nn.Module):
    """The log-density of a `normflows` model, whose own forward makes samples."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        density: Tensor = self.model.log_prob(x)
        return density


# --- nflows --------------------------------------------------------------------------------------
def _nf(name: str, *args: Any, **options: Any) -> nn.Module:
    transform: nn.Module = getattr(import_module("nflows.transforms"), name)(*args, **options)
    return transform


def _net(inputs: int, outputs: int) -> nn.Module:
    net = import_module("nflows.nn.nets").ResidualNet
    module: nn.Module = net(inputs, outputs, hidden_features=HIDDEN, num_blocks=1)
    return module


def _conv_net(inputs: int, outputs: int) -> nn.Module:
    net = import_module("nflows.nn.nets").ConvResidualNet
    module: nn.Module = net(inputs, outputs, hidden_channels=HIDDEN, num_blocks=1)
    return module


def _mask(step: int, width: int = WIDTH) -> list[int]:
    return [(number + step) % 2 for number in range(width)]


def _autoregressive(kind: str, options: Options) -> list[nn.Module]:
    name = f"Masked{kind}AutoregressiveTransform"
    sizes = dict(features=WIDTH, hidden_features=HIDDEN, num_blocks=2)
    return [_nf("ReversePermutation", WIDTH), _nf(name, **sizes, **options)]


def _coupling(kind: str, options: Options, step: int) -> list[nn.Module]:
    return [_nf(f"{kind}CouplingTransform", _mask(step), _net, **options)]


def _mixing(kind: str, options: Options, step: int) -> list[nn.Module]:
    return [_nf(kind, WIDTH, **options), *_coupling("Affine", {}, step)]


_TAILS = dict(tails="linear", tail_bound=3.0, num_bins=4)

_NFLOWS: dict[str, Callable[[int], list[nn.Module]]] = {
    "maf": lambda _: _autoregressive("Affine", {}),
    "maf-plain": lambda _: _autoregressive("Affine", dict(use_residual_blocks=False)),
    "maf-batch-norm": lambda _: [*_autoregressive("Affine", {}), _nf("BatchNorm", WIDTH)],
    "autoregressive-quadratic": lambda _: _autoregressive("PiecewiseQuadratic", _TAILS),
    "autoregressive-rational": lambda _: _autoregressive("PiecewiseRationalQuadratic", _TAILS),
    "nice": partial(_coupling, "Additive", {}),
    "real-nvp": partial(_coupling, "Affine", {}),
    "spline-linear": partial(_coupling, "PiecewiseLinear", _TAILS),
    "spline-quadratic": partial(_coupling, "PiecewiseQuadratic", _TAILS),
    "spline-cubic": partial(_coupling, "PiecewiseCubic", _TAILS),
    "spline-rational": partial(_coupling, "PiecewiseRationalQuadratic", _TAILS),
    "permutation": partial(_mixing, "RandomPermutation", {}),
    "naive-linear": partial(_mixing, "NaiveLinear", {}),
    "lu-linear": partial(_mixing, "LULinear", {}),
    "qr-linear": partial(_mixing, "QRLinear", dict(num_householder=3)),
    "svd-linear": partial(_mixing, "SVDLinear", dict(num_householder=4)),
    "act-norm": partial(_mixing, "ActNorm", {}),
}


def _nflow(name: str, batch: int, size: int) -> Sample:
    layers = [layer for step in range(2) for layer in _NFLOWS[name](step)]
    return LogDensity(_nf("CompositeTransform", layers)), (torch.randn(batch, WIDTH),), {}


def _nflows_glow(batch: int, size: int) -> Sample:
    """Squeeze, then steps of act-norm, a 1x1 convolution and a coupling."""
    layers = [_nf("SqueezeTransform")]
    for step in range(2):
        coupling = _nf("AffineCouplingTransform", _mask(step, 12), _conv_net)
        layers += [_nf("ActNorm", 12), _nf("OneByOneConvolution", 12), coupling]
    return LogDensity(_nf("CompositeTransform", layers)), (torch.randn(batch, 3, size, size),), {}


# --- normflows -----------------------------------------------------------------------------------
def _nm(path: str, *args: Any, **options: Any) -> nn.Module:
    """Something of `normflows`, by its path below the package."""
    part, _, name = f"normflows.{path}".rpartition(".")
    module: nn.Module = getattr(import_module(part), name)(*args, **options)
    return module


def _perceptron(inputs: int, outputs: int) -> nn.Module:
    return _nm("nets.MLP", [inputs, HIDDEN, outputs])


def _masked(step: int) -> list[nn.Module]:
    mask = torch.tensor(_mask(step), dtype=torch.float32)
    nets = [_perceptron(WIDTH, WIDTH) for _ in range(2)]
    return [_nm("flows.MaskedAffineFlow", mask, *nets), _nm("flows.ActNorm", (WIDTH,))]


def _halved(step: int) -> list[nn.Module]:
    net = _perceptron(WIDTH // 2, WIDTH)
    return [_nm("flows.AffineCouplingBlock", net), _nm("flows.Permute", WIDTH, mode="swap")]


def _mixed(kind: str, *args: Any, **options: Any) -> list[nn.Module]:
    return [_nm(f"flows.{kind}", *args, **options), _nm("flows.LULinearPermute", WIDTH)]


_NORMFLOWS: dict[str, Callable[[int], list[nn.Module]]] = {
    "real-nvp": _masked,
    "affine-coupling": _halved,
    "invertible-affine": lambda step: [_nm("flows.InvertibleAffine", WIDTH), *_halved(step)],
    "maf": lambda _: _mixed("MaskedAffineAutoregressive", WIDTH, HIDDEN, num_blocks=1),
    "spline-coupling": lambda _: _mixed(
        "CoupledRationalQuadraticSpline", WIDTH, 1, HIDDEN, num_bins=4),
    "spline-autoregressive": lambda _: _mixed(
        "AutoregressiveRationalQuadraticSpline", WIDTH, 1, HIDDEN, num_bins=4),
}  # fmt: skip

# These have no inverse: the forward of the model makes samples out of noise.
_FORWARD: dict[str, Callable[[int], list[nn.Module]]] = {
    "planar": lambda _: [_nm("flows.Planar", (WIDTH,))],
    "radial": lambda _: [_nm("flows.Radial", (WIDTH,))],
}


def _normflow(name: str, batch: int, size: int) -> Sample:
    make = {**_NORMFLOWS, **_FORWARD}[name]
    layers = [layer for step in range(2) for layer in make(step)]
    model = _nm("NormalizingFlow", _nm("distributions.DiagGaussian", WIDTH), layers)
    x = torch.randn(batch, WIDTH)
    return _warm(model if name in _FORWARD else LogProb(model), x), (x,), {}


def _warm(model: nn.Module, x: Tensor) -> nn.Module:
    """Run the model once: its act-norm layers take their parameters from the first batch."""
    with torch.no_grad():
        model(x)
    return model


def _normflows_glow(batch: int, size: int) -> Sample:
    """Two scales; its forward is the negative log-density."""
    flows, bases = [], []
    for channels, kept, shrunk in ((24, 24, 4), (12, 6, 2)):  # from the noise to the image
        steps = [_nm("flows.GlowBlock", channels, HIDDEN) for _ in range(2)]
        flows.append([*steps, _nm("flows.Squeeze")])
        side = size // shrunk
        bases.append(_nm("distributions.DiagGaussian", (kept, side, side)))
    model = _nm("MultiscaleFlow", bases, flows, [_nm("flows.Merge")], class_cond=False)
    x = torch.randn(batch, 3, size, size)
    return _warm(model, x), (x,), {}


# --- neuralop ------------------------------------------------------------------------------------
_OPERATOR = dict(in_channels=2, out_channels=3, hidden_channels=8, n_layers=2,
                 lifting_channel_ratio=1.5, projection_channel_ratio=1.5)  # fmt: skip
_UNO = dict(in_channels=2, out_channels=3, hidden_channels=6, lifting_channels=7,
            projection_channels=9, n_layers=3, uno_out_channels=[8, 10, 6],
            uno_n_modes=[[4, 4], [3, 3], [4, 4]], horizontal_skips_map={2: 0},
            channel_mlp_skip="linear",
            uno_scalings=[[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]])  # fmt: skip
_CODANO = dict(output_variable_codimension=1, lifting_channels=6, hidden_variable_codimension=4,
               projection_channels=7, n_layers=2, n_modes=[[4, 4], [4, 4]], n_heads=[2, 2],
               attention_scaling_factors=[1, 1], per_layer_scaling_factors=[[1, 1], [1, 1]],
               attention_token_dim=1)  # fmt: skip

# name -> class, options, dimensions of space, the grid of another size
_OPERATORS: dict[str, tuple[str, Options, int, int | None]] = {
    "fno-1d": ("FNO", dict(_OPERATOR, n_modes=(6,)), 1, 20),
    "fno-2d": ("FNO", dict(_OPERATOR, n_modes=(6, 4)), 2, 20),
    "fno-3d": ("FNO", dict(_OPERATOR, n_modes=(4, 4, 4)), 3, 12),
    "fno-norm": ("FNO", dict(_OPERATOR, n_modes=(6, 4), norm="instance_norm", preactivation=True,
                             fno_skip="soft-gating", channel_mlp_skip="linear"), 2, 20),
    "fno-separable": ("FNO", dict(_OPERATOR, n_modes=(6, 4), separable=True), 2, 20),
    "fno-padded": ("FNO", dict(_OPERATOR, n_modes=(6, 4), domain_padding=0.25), 2, 20),
    "tfno": ("TFNO", dict(_OPERATOR, n_modes=(6, 4), rank=0.5, factorization="Tucker"), 2, 20),
    "tfno-cp": ("TFNO", dict(_OPERATOR, n_modes=(6, 4), rank=0.3, factorization="CP"), 2, 20),
    "tfno-tt": ("TFNO", dict(_OPERATOR, n_modes=(6, 4), rank=0.3, factorization="TT"), 2, 20),
    "uno": ("UNO", _UNO, 2, 20),
    "codano": ("CODANO", _CODANO, 2, 20),
}  # fmt: skip


def _operator(name: str, batch: int, size: int) -> Sample:
    cls, options, space, _ = _OPERATORS[name]
    model = getattr(import_module("neuralop.models"), cls)(**options)
    return model, (torch.randn(batch, 2, *[size] * space),), {}


# --- open_clip -----------------------------------------------------------------------------------
_VISION = dict(layers=2, width=12, head_width=6, mlp_ratio=2.0, patch_size=8)
_TEXT = dict(context_length=7, vocab_size=20, width=16, heads=2, layers=2, mlp_ratio=2.0)
_SIGLIP = dict(_TEXT, no_causal_mask=True, proj_bias=True, pool_type="last")

# name -> class, vision options, text options, other options
_CLIPS: dict[str, tuple[str, Options, Options, Options]] = {
    "clip-vit": ("CLIP", _VISION, _TEXT, {}),
    "clip-vit-quick": ("CLIP", dict(_VISION, ls_init_value=0.1), _TEXT, dict(quick_gelu=True)),
    "clip-vit-average": ("CLIP", dict(_VISION, pool_type="avg", no_ln_pre=True,
        pos_embed_type="sin_cos_2d", final_ln_after_pool=True), _TEXT, {}),
    "clip-vit-pooler": ("CLIP", dict(_VISION, attentional_pool=True, attn_pooler_queries=3,
                                     attn_pooler_heads=2), _TEXT, {}),
    "clip-custom-blocks": ("CLIP", dict(_VISION, qk_norm=True, scale_heads=True, scale_fc=True,
                                        scale_attn=True, scale_attn_inner=True), _TEXT, {}),
    "clip-resnet": ("CLIP", dict(layers=(1, 1, 2, 1), width=16, head_width=16), _TEXT, {}),
    "clip-timm": ("CustomTextCLIP", dict(timm_model_name="test_convnext", timm_pool="avg",
                                         timm_proj="linear"), _TEXT, {}),
    "siglip": ("CustomTextCLIP", dict(_VISION, pool_type="avg"), _SIGLIP,
               dict(init_logit_bias=-10.0)),
    "coca": ("CoCa", dict(_VISION, attentional_pool=True, attn_pooler_queries=5,
        attn_pooler_heads=2, output_tokens=True), dict(_TEXT, embed_cls=True, output_tokens=True),
        dict(multimodal_cfg=dict(_TEXT, context_length=7, dim_head=8, n_queries=5,
                                 attn_pooler_heads=2))),
}  # fmt: skip


def _clip(name: str, batch: int, size: int) -> Sample:
    torchvision_models()  # open_clip imports torchvision
    open_clip = import_module("open_clip")
    cls, vision, text, options = _CLIPS[name]
    towers = dict(vision_cfg=dict(vision, image_size=size), text_cfg=dict(text))
    model = getattr(open_clip, cls)(embed_dim=16 if cls == "CoCa" else 10, **towers, **options)
    if cls == "CoCa":
        nn.init.normal_(model.text_decoder.text_projection, std=0.25)  # left as the memory was
    words = torch.randint(1, 20, (batch, text["context_length"]))
    return model, (torch.randn(batch, 3, size, size), words), {}


CASES: tuple[Case, ...] = (
    *(Case(f"nflows/{name}", partial(_nflow, name), size=1) for name in _NFLOWS),
    Case("nflows/glow", _nflows_glow, resized=12),
    *(Case(f"normflows/{name}", partial(_normflow, name), 1) for name in (*_NORMFLOWS, *_FORWARD)),
    Case("normflows/glow", _normflows_glow),
    *(
        Case(
            f"neuralop/{name}",
            partial(_operator, name),
            size=16 if entry[2] < 3 else 8,
            # Two-dimensional spectra are cut out around the middle, which follows the size.
            resized=entry[3] if entry[2] == 1 else None,
        )
        for name, entry in _OPERATORS.items()
    ),
    *(
        Case(f"open-clip/{name}", partial(_clip, name), size=64 if "resnet" in name else 32)
        for name in _CLIPS
    ),
)

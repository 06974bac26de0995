"""The architectures of `vit_pytorch`, `x_transformers` and their smaller relatives.

Each table maps a name to where the class lives, its options, and the sizes. The usual option for
the side of the image is filled in by the builder, since most of these nets are built for one side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import nn

from tests.zoo.case import Case, Sample
from tests.zoo.libraries import torchvision_models

CLASSES = 5
TOKENS = 17
LONGEST = 16  # tables of positions are cut to the sequence, so that their length may stay

Options = Mapping[str, Any]
# module:class, options, usual side, another side
Entry = tuple[str, Options, int, int | None]


def load(path: str) -> Callable[..., Any]:
    """What `module:name` stands for; some of these libraries import torchvision."""
    torchvision_models()
    module, name = path.split(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


# --- vit_pytorch: nets for one image; "side" names the option that takes its side -----------
_WIDTHS = dict(dim=12, depth=2, heads=2, mlp_dim=20, dim_head=4)
_PLAIN = dict(_WIDTHS, side="image_size", patch_size=8)
_SPATIAL = dict(side="image_size", dim=12, depth=2, heads=2, dim_head=4)

_IMAGES: dict[str, Entry] = {
    "vit": ("vit:ViT", dict(_PLAIN, pool="cls"), 32, None),
    "simple-vit": ("simple_vit:SimpleViT", _PLAIN, 32, 48),
    "simple-vit-qk-norm": ("simple_vit_with_qk_norm:SimpleViT", _PLAIN, 32, 48),
    "simple-vit-registers": ("simple_vit_with_register_tokens:SimpleViT",
                             dict(_PLAIN, num_register_tokens=3), 32, 48),
    "simple-vit-value-residual": ("simple_vit_with_value_residual:SimpleViT", _PLAIN, 32, 48),
    "simple-vit-hyper-connections": ("simple_vit_with_hyper_connections:SimpleViT",
        dict(_PLAIN, num_residual_streams=3, num_register_tokens=2), 32, 48),
    "simple-vit-attention-residual": ("simple_vit_attn_residual:SimpleViTAttnResidual", _PLAIN,
                                      32, 48),
    "simple-vit-fft": ("simple_vit_with_fft:SimpleViT", dict(_PLAIN, freq_patch_size=8), 32, 48),
    "simple-uvit": ("simple_uvit:SimpleUViT", dict(_PLAIN, depth=4), 32, 48),
    "cait": ("cait:CaiT", dict(_PLAIN, cls_depth=2), 32, None),
    "deepvit": ("deepvit:DeepViT", _PLAIN, 32, None),
    "t2t": ("t2t:T2TViT", dict(_WIDTHS, side="image_size",
                               t2t_layers=((7, 4), (3, 2))), 32, None),
    "cct": ("cct:CCT", dict(side="img_size", embedding_dim=12, n_conv_layers=2, num_layers=2,
        num_heads=2, mlp_ratio=2, positional_embedding="learnable", attention_dropout=0.0,
        stochastic_depth_rate=0.0), 32, None),
    "pit": ("pit:PiT", dict(_PLAIN, depth=(1, 2, 1), patch_size=6), 30, None),
    "levit": ("levit:LeViT", dict(side="image_size", dim=(12, 16, 20), depth=(1, 2, 1),
        heads=(2, 2, 4), mlp_mult=2, dim_key=4, dim_value=6, num_distill_classes=3), 64, None),
    "cvt": ("cvt:CvT", dict(s1_emb_dim=8, s1_heads=1, s1_depth=1, s1_mlp_mult=2, s2_emb_dim=12,
        s2_heads=2, s2_depth=2, s2_mlp_mult=2, s3_emb_dim=16, s3_heads=3, s3_depth=1,
        s3_mlp_mult=2), 64, 96),
    "twins-svt": ("twins_svt:TwinsSVT", dict(
        s1_emb_dim=8, s1_patch_size=2, s1_local_patch_size=4, s1_global_k=4,
        s2_emb_dim=12, s2_patch_size=2, s2_local_patch_size=4, s2_global_k=4,
        s3_emb_dim=16, s3_patch_size=2, s3_local_patch_size=4, s3_global_k=4, s3_depth=2,
        s4_emb_dim=20, s4_patch_size=2, s4_local_patch_size=2, s4_global_k=2, s4_depth=1),
        64, 128),
    "crossformer": ("crossformer:CrossFormer", dict(
        dim=(32, 32, 64, 64), depth=(1, 1, 2, 1), global_window_size=(4, 2, 2, 1),
        local_window_size=(4, 4, 2, 2), cross_embed_kernel_sizes=((4, 8), (2, 4), (2, 4), (2, 4)),
        ), 64, 128),
    "regionvit": ("regionvit:RegionViT", dict(dim=(8, 12, 16, 20), depth=(1, 1, 2, 1),
        window_size=4, use_peg=True, tokenize_local_3_conv=True), 128, 256),
    "scalable-vit": ("scalable_vit:ScalableViT", dict(dim=8, heads=(1, 2, 2, 4),
        depth=(1, 1, 2, 1), ssa_dim_key=(4, 4, 4, 4), ssa_dim_value=4, iwsa_dim_key=4,
        iwsa_dim_value=6, reduction_factor=(8, 4, 2, 1), window_size=(8, 4, 2, 2),
        ff_expansion_factor=2), 64, 128),
    "sep-vit": ("sep_vit:SepViT", dict(dim=8, dim_head=4, heads=(1, 2, 2, 4), depth=(1, 1, 2, 1),
                                       ff_mult=2), 224, None),  # its windows are always 7
    "maxvit": ("max_vit:MaxViT", dict(dim_conv_stem=8, dim=12, dim_head=4, depth=(1, 2),
                                      window_size=4, mbconv_expansion_rate=2), 32, 64),
    "maxvit-registers": ("max_vit_with_registers:MaxViT", dict(
        dim_conv_stem=8, dim=12, dim_head=4, depth=(1, 2), window_size=4,
        mbconv_expansion_rate=2, num_register_tokens=3), 32, 64),
    "nest": ("nest:NesT", dict(side="image_size", patch_size=4, dim=8, heads=2, dim_head=4,
                               num_hierarchies=3, block_repeats=(1, 1, 2), mlp_mult=2), 32, None),
    "mobilevit": ("mobile_vit:MobileViT", dict(
        image_size=(64, 64), dims=[8, 12, 16], channels=[8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 32],
        expansion=2, depths=(1, 2, 1)), 64, 128),
    "xcit": ("xcit:XCiT", dict(_PLAIN, cls_depth=2), 32, None),
    "crossvit": ("cross_vit:CrossViT", dict(
        side="image_size", sm_dim=8, lg_dim=12, sm_patch_size=8, lg_patch_size=16, sm_enc_heads=2,
        sm_enc_mlp_dim=12, sm_enc_dim_head=4, lg_enc_depth=2, lg_enc_heads=3, lg_enc_mlp_dim=20,
        lg_enc_dim_head=4, cross_attn_depth=1, cross_attn_heads=2, cross_attn_dim_head=4,
        depth=2), 32, None),
    "parallel-vit": ("parallel_vit:ViT", _PLAIN, 32, None),
    "small-dataset-vit": ("vit_for_small_dataset:ViT", _PLAIN, 32, None),
    "patch-merger-vit": ("vit_with_patch_merger:ViT",
        dict(_PLAIN, patch_merge_layer=1, patch_merge_num_tokens=3), 32, None),
    "rvt": ("rvt:RvT", _PLAIN, 32, 48),
    "nvit": ("normalized_vit:nViT", _PLAIN, 32, None),
    "jumbo-vit": ("jumbo_vit:JumboViT", dict(_PLAIN, num_jumbo_cls=2, jumbo_cls_k=3), 32, 48),
    "look-vit": ("look_vit:LookViT", dict(_SPATIAL, patch_size=8, highres_patch_size=4,
        mlp_factor=2, highres_mlp_factor=3, cross_attn_heads=2, cross_attn_dim_head=6,
        patch_conv_kernel_size=3), 32, None),
    "vit-5": ("vit_5:ViT", dict(_PLAIN, num_registers=3), 32, None),
    "vit-nd-rotary": ("vit_nd_rotary:ViTND", dict(_WIDTHS, side="input_shape", ndim=2,
                                                  patch_size=8), 32, 48),
    "jet-vit": ("jet_vit:JetViT", dict(_PLAIN, depth=3, window_size=2,
                                             attn_layers=("WA", "LA", "FA")), 32, None),
    "looped-vit": ("looped_vit:LoopedViT", dict(
        side="image_size", patch_size=8, dim=12, heads=2, dim_head=4, mlp_dim=20,
        pre_loop_depth=1, num_looped_blocks=2, post_loop_depth=1, loop_depth=2), 32, None),
    "vit-detpool": ("vit_detpool:ViTDetPool", _PLAIN, 32, None),
}  # fmt: skip


def _image(entry: Entry, batch: int, size: int) -> Sample:
    path, given, _, _ = entry
    options = {name: value for name, value in given.items() if name != "side"}
    if "side" in given:
        options[given["side"]] = size
    model = load(f"vit_pytorch.{path}")(num_classes=CLASSES, **options)
    return model, (torch.randn(batch, 3, size, size),), {}


# --- vit_pytorch: videos, series, bags of images, self-supervision ---------------------------
_VIDEO = dict(_WIDTHS, frames=4, frame_patch_size=2, image_patch_size=8)
_VIVIT = dict(dim=12, heads=2, mlp_dim=20, dim_head=4, frames=4, frame_patch_size=2,
              image_patch_size=8, spatial_depth=2, temporal_depth=2)  # fmt: skip

_VIDEOS: dict[str, tuple[str, Options, int | None]] = {
    "vit-3d": ("vit_3d:ViT", _VIDEO, None),
    "simple-vit-3d": ("simple_vit_3d:SimpleViT", _VIDEO, 48),
    "vivit-encoder": ("vivit:ViViT", dict(_VIVIT, variant="factorized_encoder"), None),
    "vivit-attention": ("vivit:ViViT", dict(_VIVIT, variant="factorized_self_attention"), None),
}


def _video(path: str, options: Options, batch: int, size: int) -> Sample:
    model = load(f"vit_pytorch.{path}")(num_classes=CLASSES, image_size=size, **options)
    return model, (torch.randn(batch, 3, 4, size, size),), {}


def _series(path: str, batch: int, size: int) -> Sample:
    model = load(f"vit_pytorch.{path}")(seq_len=size, patch_size=4, num_classes=CLASSES, **_WIDTHS)
    return model, (torch.randn(batch, 3, size),), {}


def _navit(batch: int, size: int) -> Sample:
    """Images of several shapes packed into one sequence an element of the batch."""
    net = load("vit_pytorch.na_vit:NaViT")
    model = net(image_size=32, patch_size=8, num_classes=CLASSES, **_WIDTHS)
    bags = [[torch.randn(3, size, 16), torch.randn(3, 16, 24)] for _ in range(batch)]
    return model, (bags,), {}


# --- x_transformers: one option a case; everything else as in the README ---------------------
_ATTENTION = dict(dim=12, depth=2, heads=2, attn_dim_head=6, ff_mult=2, verbose=False)

_DECODERS: dict[str, tuple[Options, Options]] = {
    "decoder": (dict(), dict()),
    "rotary": (dict(rotary_pos_emb=True), dict()),
    "xpos": (dict(rotary_xpos=True), dict()),
    "alibi": (dict(alibi_pos_bias=True), dict(use_abs_pos_emb=False)),
    "t5-bias": (dict(rel_pos_bias=True, rel_pos_num_buckets=8, rel_pos_max_distance=16), dict()),
    "dynamic-bias": (dict(dynamic_pos_bias=True), dict(use_abs_pos_emb=False)),
    "polar": (dict(polar_pos_emb=True), dict()),
    "talking-heads": (dict(attn_pre_talking_heads=True, attn_post_talking_heads=True), dict()),
    "glu": (dict(ff_glu=True, ff_no_bias=True, ff_swish=True), dict()),
    "qk-norm": (dict(attn_qk_norm=True, attn_qk_norm_dim_scale=True), dict()),
    "memory-tokens": (dict(), dict(num_memory_tokens=3)),
    "memory-key-values": (dict(attn_num_mem_kv=3), dict()),
    "one-key-value-head": (dict(attn_one_kv_head=True), dict()),
    "grouped-query": (dict(heads=4, attn_kv_heads=2), dict()),
    "value-head-gates": (dict(attn_gate_values=True, attn_gate_value_heads=True), dict()),
    "rmsnorm": (dict(use_rmsnorm=True), dict(tie_embedding=True)),
    "scalenorm": (dict(use_scalenorm=True), dict(scaled_sinu_pos_emb=True)),
    "dynamic-tanh": (dict(use_dynamic_tanh=True), dict()),
    "gate-residual": (dict(gate_residual=True), dict()),
    "macaron": (dict(macaron=True), dict()),
    "sandwich": (dict(sandwich_coef=1, sandwich_norm=True), dict()),
    "shift-tokens": (dict(shift_tokens=1), dict()),
    "residual-attention": (dict(residual_attn=True), dict()),
    "value-residual": (dict(add_value_residual=True), dict()),
    "hyper-connections": (dict(num_residual_streams=3), dict()),
    "layer-scale": (dict(use_layerscale=True, layerscale_init_value=0.5), dict()),
    "relu-squared": (dict(ff_relu_squared=True, ff_post_act_ln=True), dict()),
    "weight-tied": (dict(weight_tie_layers=True), dict(emb_dim=8)),
    "layer-integration": (dict(integrate_layers=True), dict()),
}


def _tokens(batch: int, size: int) -> torch.Tensor:
    return torch.randint(0, TOKENS, (batch, size))


def _wrapped(stack: str, attention: Options, wrapper: Options, batch: int, size: int) -> Sample:
    layers = load(f"x_transformers:{stack}")(**{**_ATTENTION, **attention})
    wrap = load("x_transformers:TransformerWrapper")
    model = wrap(num_tokens=TOKENS, max_seq_len=LONGEST, attn_layers=layers, **wrapper)
    return model, (_tokens(batch, size),), {}


class EncoderDecoder(nn.Module):
    """The logits of an `XTransformer`, whose own forward returns the loss."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder.net

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        context = self.encoder(source, return_embeddings=True)
        logits: torch.Tensor = self.decoder(target, context=context)
        return logits


def _encoder_decoder(batch: int, size: int) -> Sample:
    shared = dict(_ATTENTION, num_tokens=TOKENS, max_seq_len=LONGEST)
    dim = shared.pop("dim")
    sides = {f"{side}_{name}": value for side in ("enc", "dec") for name, value in shared.items()}
    model = load("x_transformers:XTransformer")(dim=dim, tie_token_emb=True, **sides)
    return EncoderDecoder(model), (_tokens(batch, size), _tokens(batch, size - 1)), {}


def _continuous(stack: str, batch: int, size: int) -> Sample:
    layers = load(f"x_transformers:{stack}")(**_ATTENTION)
    wrap = load("x_transformers:ContinuousTransformerWrapper")
    model = wrap(dim_in=5, dim_out=3, max_seq_len=LONGEST, attn_layers=layers)
    return model, (torch.randn(batch, size, 5),), {}


def _pictures(batch: int, size: int) -> Sample:
    layers = load("x_transformers:Encoder")(**_ATTENTION)
    wrap = load("x_transformers:ViTransformerWrapper")
    model = wrap(image_size=size, patch_size=8, num_classes=CLASSES, attn_layers=layers)
    return model, (torch.randn(batch, 3, size, size),), {}


# --- smaller libraries -------------------------------------------------------------------------
def _mixer(batch: int, size: int) -> Sample:
    net = load("mlp_mixer_pytorch:MLPMixer")
    model = net(image_size=size, channels=3, patch_size=8, dim=12, depth=2, num_classes=CLASSES)
    return model, (torch.randn(batch, 3, size, size),), {}


def _permutator(batch: int, size: int) -> Sample:
    net = load("mlp_mixer_pytorch:Permutator")
    model = net(image_size=size, patch_size=8, dim=16, depth=2, segments=4, num_classes=CLASSES)
    return model, (torch.randn(batch, 3, size, size),), {}


def _mixer_3d(batch: int, size: int) -> Sample:
    net = load("mlp_mixer_pytorch:MLPMixer3D")
    model = net(image_size=size, time_size=4, channels=3, patch_size=8, time_patch_size=2, dim=12,
                depth=2, num_classes=CLASSES)  # fmt: skip
    return model, (torch.randn(batch, 3, 4, size, size),), {}


_DENOISERS: dict[str, tuple[str, Options, int]] = {
    "unet": ("Unet", dict(dim=8, dim_mults=(1, 2), attn_dim_head=4, attn_heads=2), 2),
    "unet-1d": ("Unet1D", dict(dim=8, dim_mults=(1, 2), attn_dim_head=4, attn_heads=2), 1),
    "karras-unet": ("KarrasUnet", dict(image_size=16, dim=8, num_downsamples=2, attn_dim_head=4,
        num_blocks_per_stage=1, attn_res=8, fourier_dim=6), 2),
}  # fmt: skip


def _denoiser(name: str, options: Options, dimensions: int, batch: int, size: int) -> Sample:
    channels = 4 if name.startswith("Karras") else 3
    model = load(f"denoising_diffusion_pytorch:{name}")(channels=channels, **options)
    x = torch.randn(batch, channels, *[size] * dimensions)
    time = torch.rand(batch) if channels == 4 else torch.randint(0, 1000, (batch,))
    return model, (x, time), {}


def _egnn(options: Options, batch: int, size: int) -> Sample:
    model = load("egnn_pytorch:EGNN_Network")(num_tokens=TOKENS, dim=8, depth=2, **options)
    return model, (_tokens(batch, size), torch.randn(batch, size, 3)), {}


def _egnn_layer(batch: int, size: int) -> Sample:
    model = load("egnn_pytorch:EGNN")(dim=8, edge_dim=4, m_dim=6, fourier_features=2)
    nodes, places = torch.randn(batch, size, 8), torch.randn(batch, size, 3)
    return model, (nodes, places, torch.randn(batch, size, size, 4)), {}


def _mamba(module: str, names: tuple[str, str], options: Options, batch: int, size: int) -> Sample:
    model_class, config = (load(f"mambapy.{module}:{name}") for name in names)
    return model_class(config(**options)), (torch.randn(batch, size, options["d_model"]),), {}


_MAMBAS: dict[str, tuple[str, tuple[str, str], Options]] = {
    "mamba": ("mamba", ("Mamba", "MambaConfig"), dict(d_model=12, n_layers=2, d_state=4)),
    "mamba-norms": ("mamba", ("Mamba", "MambaConfig"),
                    dict(d_model=12, n_layers=2, d_state=4, inner_layernorms=True, bias=True)),
    "mamba-sequential": ("mamba", ("Mamba", "MambaConfig"),
                         dict(d_model=12, n_layers=2, d_state=4, pscan=False)),
    "vision-mamba": ("vim", ("VMamba", "MambaConfig"), dict(d_model=12, n_layers=2, d_state=4)),
    "jamba": ("jamba", ("Jamba", "JambaLMConfig"), dict(
        d_model=12, n_layers=4, d_state=4, mlp_size=20, num_attention_heads=2,
        num_key_value_heads=1, num_experts=3, num_experts_per_tok=2, attn_layer_offset=1,
        attn_layer_period=2, expert_layer_offset=1, expert_layer_period=2, vocab_size=TOKENS)),
}  # fmt: skip


CASES: tuple[Case, ...] = (
    *(
        Case(f"vit-pytorch/{name}", partial(_image, entry), size=entry[2], resized=entry[3])
        for name, entry in _IMAGES.items()
    ),
    *(
        Case(f"vit-pytorch/{name}", partial(_video, path, options), size=32, resized=resized)
        for name, (path, options, resized) in _VIDEOS.items()
    ),
    Case("vit-pytorch/vit-1d", partial(_series, "vit_1d:ViT"), size=24),
    Case("vit-pytorch/simple-vit-1d", partial(_series, "simple_vit_1d:SimpleViT"), 24, 32),
    Case("vit-pytorch/navit", _navit, size=32, resized=24, batched=False),
    *(
        Case(f"x-transformers/{name}", partial(_wrapped, "Decoder", *options), resized=11)
        for name, options in _DECODERS.items()
    ),
    Case("x-transformers/encoder", partial(_wrapped, "Encoder", {}, {}), resized=11),
    Case("x-transformers/encoder-decoder", _encoder_decoder, resized=11),
    Case("x-transformers/continuous", partial(_continuous, "Decoder"), resized=11),
    Case("x-transformers/vit", _pictures, size=32),
    Case("mlp-mixer-pytorch/mixer", _mixer, size=32),
    Case("mlp-mixer-pytorch/mixer-3d", _mixer_3d, size=32),
    Case("mlp-mixer-pytorch/permutator", _permutator, size=32),
    *(
        Case(f"denoising-diffusion/{name}", partial(_denoiser, *entry), size=16)
        for name, entry in _DENOISERS.items()
    ),
    Case("egnn-pytorch/layer", _egnn_layer, resized=6),
    Case("egnn-pytorch/network", partial(_egnn, dict(m_dim=6)), resized=6),
    Case(
        "egnn-pytorch/neighbours",
        partial(_egnn, dict(m_dim=6, num_nearest_neighbors=3, norm_coors=True)),
        resized=6,
    ),
    *(Case(f"mambapy/{name}", partial(_mamba, *entry)) for name, entry in _MAMBAS.items()),
)

"""The convolutional families of `timm`, one or more a file of the library.

Most take small sizes in `create_model`; nets that know one width only are narrowed afterwards;
a few families are described by configuration objects and have builders of their own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tests.zoo.case import Case, Sample
from tests.zoo.libraries import torchvision_models
from tools.sweep.catalogue.torchvision import narrow

CLASSES = 5

# variant or "file:Class", options, usual side, another side, by how much to narrow
Entry = tuple[str, Mapping[str, Any], int, int | None, int]

FREE = 64, 96  # convolutional nets with a global pooling take any size


class At:
    """An object of the library inside options: `name` in the model's file, called if there are
    arguments."""

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        self.name, self.args, self.options = name, args, options

    def resolve(self, file: Any) -> Any:
        found = getattr(file, self.name)
        if not (self.args or self.options):
            return found
        return found(*_resolved(self.args, file), **_resolved(self.options, file))


def _resolved(value: Any, file: Any) -> Any:
    if isinstance(value, At):
        return value.resolve(file)
    if isinstance(value, Mapping):
        return {k: _resolved(v, file) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_resolved(v, file) for v in value)
    return value


def create(entry: Entry) -> nn.Module:
    """The model of a table's entry."""
    torchvision_models()  # timm imports torchvision
    import timm

    variant, options, _, _, by = entry
    file, _, kind = variant.partition(":")
    if kind:
        module = importlib.import_module(f"timm.models.{file}")
        model = getattr(module, kind)(**{"num_classes": CLASSES, **_resolved(options, module)})
    else:
        model = timm.create_model(variant, num_classes=CLASSES, **options)
    if by > 1:
        parts: list[Any] = list(narrow(model, by).modules())
        for part in parts:
            if isinstance(getattr(part, "head_dim", None), int):
                part.head_dim //= by
    return model


# kernel, expanded, out, squeeze, stride
_GHOST = [[[3, 16, 16, 0, 1]], [[3, 24, 24, 0, 2], [5, 36, 24, 0.25, 1]], [[5, 40, 40, 0.25, 2]]]


def _branches(*widths: int, kind: str = "BASIC") -> dict[str, Any]:
    """A stage of HRNet: one block in each of its branches."""
    return {
        "num_modules": 1, "num_branches": len(widths), "block_type": kind,
        "num_blocks": (1,) * len(widths), "num_channels": widths, "fuse_method": "SUM",
    }  # fmt: skip


_HRNET = {
    "stem_width": 64, "stage1": _branches(32, kind="BOTTLENECK"), "stage2": _branches(32, 48),
    "stage3": _branches(32, 48, 64), "stage4": _branches(32, 48, 64, 96),
}  # fmt: skip


def _blocks(*stages: str) -> At:
    """Stages of the EfficientNet family, in the library's notation."""
    return At("decode_arch_def", [stage.split() for stage in stages])


def byob(*stages: Any, **options: Any) -> dict[str, Any]:
    """Stages of "bring your own blocks": type, depth, width, stride, more."""
    blocks = tuple(
        At("ByoBlockCfg", *x[:4], **(x[4] if x[4:] else {})) if isinstance(x, tuple) else x
        for x in stages
    )
    return {"cfg": At("ByoModelCfg", blocks=blocks, **{"stem_chs": 8, "stem_pool": "", **options})}


_REGNET = dict(depth=5, w0=8, wa=8.0, wm=1.6, group_size=4, stem_width=8)
HALF = {"gs": 0, "br": 0.5}


_XCEPTION = [
    dict(in_chs=64, out_chs=96, stride=2), dict(in_chs=96, out_chs=128, stride=2),
    dict(in_chs=128, out_chs=128, stride=1), dict(in_chs=128, out_chs=(128, 160, 160), stride=2),
    dict(in_chs=160, out_chs=(192, 192, 224), stride=1, no_skip=True),
]  # fmt: skip


# --- convolutional nets: name -> variant, options, narrowed by ------------------------------
_CONVOLUTIONAL: dict[str, tuple[str, dict[str, Any], int]] = {
    "convmixer": ("convmixer:ConvMixer", dict(dim=16, depth=2, kernel_size=5, patch_size=4), 1),
    "convnext": ("convnext_atto", dict(depths=(1, 1, 2, 1), dims=(8, 12, 16, 24)), 1),
    "convnext-v2": ("convnextv2_atto", dict(depths=(1, 1, 2, 1), dims=(8, 12, 16, 24)), 1),
    "csatv2": ("csatv2", dict(dims=(8, 12, 16, 32), depths=(1, 1, 2, 2), transformer_depths=(0, 0,
        1, 1)), 1),
    "cspresnet": ("cspnet:CspNet", dict(cfg=At("CspModelCfg", stem=At("CspStemCfg", out_chs=8,
        kernel_size=7, stride=4, pool="max"), stages=At("CspStagesCfg", depth=(1, 2), out_chs=(16,
        24), stride=(1, 2), expand_ratio=2.0, bottle_ratio=0.5, cross_linear=True))), 1),
    "cspresnext": ("cspnet:CspNet", dict(cfg=At("CspModelCfg", stem=At("CspStemCfg", out_chs=8,
        kernel_size=7, stride=4, pool="max"), stages=At("CspStagesCfg", depth=(1, 2), out_chs=(16,
        24), stride=(1, 2), groups=4, bottle_ratio=1.0, block_ratio=0.5))), 1),
    "cspdarknet": ("cspnet:CspNet", dict(cfg=At("CspModelCfg", stem=At("CspStemCfg", out_chs=8,
        stride=1), stages=At("CspStagesCfg", depth=(1, 2, 1), out_chs=(8, 16, 24), stride=2,
        bottle_ratio=(0.5, 1.0), expand_ratio=(2.0, 1.0), block_ratio=(1.0, 0.5), down_growth=True,
        block_type="dark"))), 1),
    "cs3darknet": ("cspnet:CspNet", dict(cfg=At("_cs3_cfg", width_multiplier=0.125,
        depth_multiplier=0.34, focus=True)), 1),
    "darknet": ("darknet17", {}, 8),
    "cspnext": ("cspnext_tiny", dict(depths=(1, 1, 2, 1), channels=(16, 24, 32, 48),
        deepen_factor=1.0, widen_factor=1.0), 1),
    "densenet": ("densenet121", dict(growth_rate=4, block_config=(2, 3, 2, 2)), 1),
    "densenet-blur": ("densenetblur121d", dict(growth_rate=4, block_config=(2, 3, 2, 2)), 1),
    "dla": ("dla46_c", {}, 4),
    "dla-x": ("dla46x_c", dict(cardinality=4, base_width=8), 4),
    "dpn": ("dpn48b", dict(k_sec=(1, 2, 2, 1), inc_sec=(4, 4, 8, 8), k_r=32, groups=4,
        num_init_features=8), 1),
    "fasternet": ("fasternet_t0", dict(embed_dim=8, depths=(1, 1, 2, 1), feature_dim=40), 1),
    "ghostnet": ("ghostnet:GhostNet", dict(cfgs=_GHOST, width=0.5, version="v1"), 1),
    "ghostnet-v2": ("ghostnet:GhostNet", dict(cfgs=_GHOST, width=0.5, version="v2"), 1),
    "ghostnet-v3": ("ghostnet:GhostNet", dict(cfgs=_GHOST, width=0.5, version="v3"), 1),
    "hgnet": ("hgnet_tiny", {}, 8),
    "hgnet-v2": ("hgnetv2_b0", {}, 8),
    "hrnet": ("hrnet:HighResolutionNet", dict(cfg=_HRNET), 8),
    "inception-next": ("inception_next_atto", dict(depths=(1, 1, 2, 1), dims=(16, 24, 32, 40)), 1),
    "lcnet-v2": ("lcnetv2_small", dict(depths=(1, 1, 2, 1), scale=0.25, head_hidden_size=40), 1),
    "mambaout": ("mambaout_femto", dict(depths=(1, 1, 2, 1), dims=(8, 12, 16, 24)), 1),
    "nasnet": ("nasnetalarge", dict(stem_size=8, num_features=96), 1),
    "pnasnet": ("pnasnet5large", {}, 27),
    "nfnet": ("nfnet_f0", dict(depths=(1, 1, 2, 1), channels=(16, 16, 24, 32), stem_chs=16,
        group_size=8, num_features=48), 1),
    "nf-resnet": ("nf_resnet26", dict(depths=(1, 1, 2, 1), channels=(16, 16, 24, 32)), 1),
    "nf-regnet": ("nf_regnet_b0", dict(depths=(1, 1, 2, 1), channels=(16, 16, 24, 32),
        num_features=40), 1),
    "rdnet": ("rdnet_tiny", dict(growth_rates=(4, 6, 8), num_blocks_list=(2, 2, 2),
        block_type=("Block", "Block", "BlockESE"), is_downsample_block=(None, True, True),
        num_init_features=8), 1),
    "regnet-x": ("regnetx_002", dict(_REGNET), 1),
    "regnet-y": ("regnety_002", dict(_REGNET), 1),
    "regnet-v": ("regnetv_040", dict(_REGNET), 1),
    "regnet-z": ("regnetz_005", dict(_REGNET, num_features=40), 1),
    "repghost": ("repghost:RepGhostNet", dict(cfgs=_GHOST, width=1.0, reparam=True), 1),
    "repvit": ("repvit_m0_9", dict(embed_dim=(8, 12, 16, 24), depth=(1, 1, 2, 1)), 1),
    "res2net": ("res2net50_26w_4s", dict(layers=(1, 2, 1, 1), channels=(16, 24, 32, 48)), 1),
    "res2next": ("res2next50", dict(layers=(1, 1, 1, 1), channels=(16, 32, 32, 48)), 1),
    "resnest": ("resnest14d", dict(channels=(16, 24, 32, 48), stem_width=8), 1),
    "resnet": ("resnet10t", dict(layers=(1, 2, 1, 1), channels=(8, 16, 24, 32), stem_width=8), 1),
    "resnet-bottleneck": ("resnet14t", dict(channels=(8, 16, 24, 32), stem_width=8), 1),
    "resnet-rs": ("resnetrs50", dict(layers=(1, 1, 1, 1), channels=(8, 16, 24, 32), stem_width=8),
        1),
    "resnet-aa": ("resnetaa34d", dict(layers=(1, 1, 1, 1), channels=(8, 16, 24, 32), stem_width=8),
        1),
    "resnext": ("resnext26ts", {}, 8),
    "ecaresnet": ("ecaresnet26t", dict(layers=(1, 1, 1, 1), channels=(8, 16, 24, 32),
        stem_width=8), 1),
    "seresnet": ("seresnet18", dict(layers=(1, 1, 1, 1), channels=(16, 16, 24, 32)), 1),
    "resnet-v2": ("resnetv2:ResNetV2", dict(layers=(1, 2, 1), channels=(32, 64, 96), stem_chs=32,
        bottle_ratio=1.0, conv_layer=At("StdConv2d"), stem_type="fixed"), 1),
    "resnet-v2-basic": ("resnetv2_18", dict(layers=(1, 1, 1, 1), channels=(8, 16, 24, 32),
        stem_chs=8), 1),
    "rexnet": ("rexnet_100", dict(depth_mult=0.4, initial_chs=8, final_chs=40), 1),
    "rexnetr": ("rexnetr_100", dict(depth_mult=0.4, initial_chs=8, final_chs=40), 1),
    "selecsls": ("selecsls42", {}, 8),
    "senet": ("legacy_seresnet18", dict(layers=(1, 1, 1, 1)), 8),
    "senet-154": ("legacy_senet154", dict(layers=(1, 1, 1, 1), groups=8), 8),
    "skresnet": ("skresnet18", dict(layers=(1, 1, 1, 1), channels=(16, 32, 32, 64)), 1),
    "starnet": ("starnet_s050", dict(base_dim=8, depths=(1, 1, 2, 1)), 1),
    "tresnet": ("tresnet_m", dict(layers=(1, 1, 1, 1), width_factor=0.125), 1),
    "vgg": ("vgg11", {}, 16),
    "vgg-bn": ("vgg11_bn", {}, 16),
    "vovnet": ("vovnet39a", {}, 16),
    "vovnet-ese": ("ese_vovnet19b_slim_dw", {}, 8),
    "xception": ("xception", {}, 8),
    "xception-aligned": ("xception_aligned:XceptionAligned", dict(block_cfg=_XCEPTION), 8),
    "xception-aligned-preact": ("xception_aligned:XceptionAligned", dict(block_cfg=_XCEPTION,
        preact=True), 8),
    "efficientnet": ("efficientnet:EfficientNet",
        dict(block_args=_blocks("ds_r1_k3_s1_e1_c8_se0.25", "ir_r2_k3_s2_e4_c16_se0.25",
        "ir_r2_k5_s2_e4_c24_se0.25"), stem_size=8, num_features=40), 1),
    "efficientnet-v2": ("efficientnet:EfficientNet",
        dict(block_args=_blocks("cn_r1_k3_s1_e1_c8_skip", "er_r2_k3_s2_e4_c16",
        "ir_r2_k3_s2_e4_c24_se0.25"), stem_size=8, num_features=40), 1),
    "efficientnet-condconv": ("efficientnet:EfficientNet",
        dict(block_args=_blocks("ds_r1_k3_s1_e1_c8_se0.25", "ir_r2_k3_s2_e4_c16_se0.25",
        "ir_r2_k5_s2_e4_c24_se0.25_cc4"), stem_size=8, num_features=40), 1),
    "mixnet": ("efficientnet:EfficientNet", dict(block_args=_blocks("ds_r1_k3_s1_e1_c8",
        "ir_r1_k3_a1.1_p1.1_s2_e6_c16",
        "ir_r1_k3.5.7_s2_e6_c24_se0.5_nsw ir_r1_k3.5_a1.1_p1.1_s1_e6_c24_se0.5_nsw"), stem_size=8,
        num_features=40), 1),
    "mobilenet-v2": ("efficientnet:EfficientNet", dict(block_args=_blocks("ds_r1_k3_s1_c8",
        "ir_r2_k3_s2_e4_c16", "ir_r2_k3_s2_e4_c24"), stem_size=8, num_features=40), 1),
    "mnasnet": ("efficientnet:EfficientNet", dict(block_args=_blocks("ds_r1_k3_s1_e1_c8_noskip",
        "ir_r2_k3_s2_e3_c16_se0.25", "ir_r2_k5_s2_e4_c24"), stem_size=8, num_features=40), 1),
    "fbnet-c": ("efficientnet:EfficientNet", dict(block_args=_blocks("ir_r1_k3_s1_e1_c16",
        "ir_r1_k3_s2_e4_c24 ir_r1_k3_s1_e1_c24", "ir_r1_k5_s2_e4_c32"), stem_size=8,
        num_features=40), 1),
    "efficientnet-evo-norm": ("test_efficientnet_evos", {}, 1),
    "mobilenet-v3": ("mobilenetv3:MobileNetV3",
        dict(block_args=_blocks("ds_r1_k3_s2_e1_c8_se0.25_nre", "ir_r2_k3_s2_e3_c16_nre",
        "ir_r2_k5_s1_e4_c24_se0.25", "cn_r1_k1_s1_c32"), stem_size=8, num_features=40,
        act_layer=nn.Hardswish), 1),
    "mobilenet-v4": ("mobilenetv3:MobileNetV3", dict(block_args=_blocks("er_r1_k3_s2_e4_c16",
        "uir_r1_a3_k5_s2_e4_c24 uir_r1_a0_k0_s1_e2_c24",
        "uir_r1_a3_k0_s1_e4_c24 uir_r1_a0_k3_s1_e4_c32", "cn_r1_k1_s1_c40"), stem_size=8,
        num_features=48), 1),
    "mobilenet-v4-hybrid": ("mobilenetv3:MobileNetV3",
        dict(block_args=_blocks("er_r1_k3_s2_e4_c16",
        "uir_r1_a3_k5_s2_e4_c24 mqa_r1_k3_h2_s1_v2_d8_c24 uir_r1_a3_k0_s1_e2_c24",
        "uir_r1_a3_k3_s2_e4_c32 mqa_r1_k3_h2_s1_d8_c32 uir_r1_a0_k0_s1_e2_c32", "cn_r1_k1_s1_c40"),
        stem_size=8, num_features=48, layer_scale_init_value=1e-5), 1),
    "lcnet": ("mobilenetv3:MobileNetV3", dict(block_args=_blocks("dsa_r1_k3_s1_c8",
        "dsa_r2_k3_s2_c16", "dsa_r2_k5_s2_c24_se0.25"), stem_size=8, num_features=40), 1),
    "fbnet-v3": ("mobilenetv3:MobileNetV3", dict(block_args=_blocks("ds_r1_k3_s1_e1_c8",
        "ir_r1_k5_s2_e4_c16 ir_r1_k5_s1_e2_c16", "ir_r2_k5_s2_e3_c24_se0.25", "cn_r1_k1_s1_c40"),
        stem_size=8, num_features=48, head_bias=False, se_from_exp=False), 1),
    "hardcorenas": ("hardcorenas_a", {}, 8),
    "mobilenet-v5": ("mobilenetv5:MobileNetV5", dict(block_args=_blocks("er_r1_k3_s2_e4_c16",
        "uir_r1_a3_k5_s2_e4_c16 uir_r1_a5_k0_s1_e4_c16",
        "uir_r1_a5_k5_s2_e4_c24 mqa_r1_k3_h2_s2_d8_c24 uir_r1_a0_k0_s1_e2_c24",
        "uir_r1_a5_k5_s2_e4_c32 mqa_r1_k3_h2_s1_d8_c32 uir_r1_a0_k0_s1_e2_c32"), stem_size=8,
        num_features=40, msfa_output_resolution=4, layer_scale_init_value=1e-5), 1),
    "gernet": ("byobnet:ByobNet", byob(("basic", 1, 16, 2), ("bottle", 2, 24, 2, dict(gs=4,
        br=0.5)), ("bottle", 1, 32, 2, dict(gs=1, br=3.0)), num_features=40), 1),
    "repvgg": ("byobnet:ByobNet", byob(("rep", 2, 16, 2), ("rep", 2, 24, 2, dict(gs=4)),
        stem_type="rep"), 1),
    "mobileone": ("byobnet:ByobNet", byob(("one", 2, 16, 2, dict(gs=1)), ("one", 2, 32, 2,
        dict(gs=1)), stem_type="one"), 1),
    "resnet-eca-tiered": ("byobnet:ByobNet", byob(("bottle", 1, 16, 2, dict(gs=4, br=0.5)),
        ("bottle", 2, 24, 2, dict(gs=4, br=0.5)), stem_type="tiered", stem_pool="maxpool",
        act_layer="silu", attn_layer="eca"), 1),
    "resnet-gc": ("byobnet:ByobNet", byob(("bottle", 1, 16, 2, HALF), ("bottle", 2, 24, 2, HALF),
        stem_type="tiered", act_layer="silu", attn_layer="gca"), 1),
    "resnet-51q": ("byobnet:ByobNet", byob(("bottle", 1, 16, 2, HALF), ("bottle", 2, 24, 2,
        dict(gs=8, br=1.0)), stem_type="quad2", num_features=40, act_layer="silu"), 1),
    "regnet-z-byob": ("byobnet:ByobNet", byob(("bottle", 1, 16, 2, dict(gs=4, br=3)), ("bottle", 2,
        24, 2, dict(gs=4, br=3)), stem_type="", downsample="", act_layer="silu", attn_layer="se",
        attn_kwargs=dict(rd_ratio=0.25), num_features=40, block_kwargs=dict(bottle_in=True,
        linear_out=True)), 1),
}  # fmt: skip

# Their last maps are smaller than their kernels for less than 75 pixels.
# name -> variant, narrowed by, of which containers only these children are kept
_INCEPTIONS: dict[str, tuple[str, int, dict[str, tuple[int, ...]]]] = {
    "inception-v3": ("inception_v3", 8, {}),
    "inception-v4": ("inception_v4", 16, {"features": (0, 1, 2, 3, 4, 5, 6, 10, 11, 18, 19)}),
    "inception-resnet-v2": ("inception_resnet_v2", 16, {"repeat": (0, 1), "repeat_1": (0, 1),
        "repeat_2": (0,)}),
}  # fmt: skip


def images(name: str, entry: Entry) -> Case:
    """A case of a model that takes square images."""

    def build(batch: int, size: int) -> Sample:
        return create(entry), (torch.randn(batch, 3, size, size),), {}

    return Case(f"timm/{name}", build, size=entry[2], resized=entry[3])


def _inception(name: str, variant: str, by: int, kept: dict[str, tuple[int, ...]]) -> Case:
    """The nets of many equal blocks, shortened."""

    def build(batch: int, size: int) -> Sample:
        model = create((variant, {}, size, None, by))
        for container, children in kept.items():
            blocks = getattr(model, container)
            setattr(model, container, nn.Sequential(*(blocks[i] for i in children)))
        return model, (torch.randn(batch, 3, size, size),), {}

    return Case(f"timm/{name}", build, size=96, resized=128)


CASES: tuple[Case, ...] = (
    *(images(name, (v, o, *FREE, by)) for name, (v, o, by) in _CONVOLUTIONAL.items()),
    *(_inception(name, *row) for name, row in _INCEPTIONS.items()),
)

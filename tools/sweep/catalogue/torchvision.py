"""The families of `torchvision`: classes get small sizes, nets of one width are narrowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.zoo.case import Case, Sample
from tests.zoo.libraries import torchvision_models

CLASSES = 5


def narrow(model: nn.Module, by: int) -> nn.Module:
    """Divide all widths of `model` by `by`, in place; numbers below 8 stay as they are.

    For libraries that offer one width only. It touches convolutions, linear layers and norms;
    the widths have to be divisible wherever maps are concatenated.
    """
    parts: list[Any] = list(model.modules())
    for module in parts:
        if isinstance(module, nn.modules.conv._ConvNd):
            _narrow_convolution(module, by)
        elif isinstance(module, nn.Linear):
            module.in_features = _less(module.in_features, by)
            module.out_features = _less(module.out_features, by)
            _fresh(module, "weight", module.out_features, module.in_features)
            _fresh(module, "bias", module.out_features)
        elif not _narrow_norm(module, by):
            continue
        module.reset_parameters()
    return model


def _narrow_norm(module: Any, by: int) -> bool:
    """Narrow `module` if it is a norm."""
    if isinstance(module, nn.modules.batchnorm._NormBase):
        module.num_features = _less(module.num_features, by)
        shape = [module.num_features]
    elif isinstance(module, nn.GroupNorm):
        module.num_channels = _less(module.num_channels, by)
        module.num_groups = math.gcd(module.num_groups, module.num_channels)
        shape = [module.num_channels]
    elif isinstance(module, nn.LayerNorm):
        shape = [_less(n, by) for n in module.normalized_shape]
        module.normalized_shape = tuple(shape)
    else:
        return False
    for name in ("weight", "bias", "running_mean", "running_var"):
        _fresh(module, name, *shape)
    return True


def _less(width: int, by: int) -> int:
    return width if width < 8 else max(width // by, 1)


def _fresh(module: nn.Module, name: str, *shape: int) -> None:
    """Give `module` an uninitialised tensor `name` of this shape, if it has one at all."""
    old = getattr(module, name, None)
    if isinstance(old, nn.Parameter):
        setattr(module, name, nn.Parameter(torch.empty(shape)))
    elif old is not None:
        setattr(module, name, torch.empty(shape))


def _narrow_convolution(module: Any, by: int) -> None:
    depthwise = module.groups == module.in_channels
    module.in_channels = _less(module.in_channels, by)
    module.out_channels = _less(module.out_channels, by)
    common = math.gcd(module.in_channels, module.out_channels)
    module.groups = module.in_channels if depthwise else math.gcd(module.groups, common)
    into, out = module.in_channels, module.out_channels
    first, second = (into, out) if module.transposed else (out, into)
    _fresh(module, "weight", first, second // module.groups, *module.kernel_size)
    _fresh(module, "bias", out)


# --- classification: (models, classes) -> model ---------------------------------------------


def _plain(make: Callable[[Any], nn.Module], features: int, by: int) -> Callable[[Any], nn.Module]:
    """AlexNet and VGG: the fixed head alone has 100 M parameters, so nothing is allocated first."""

    def build(models: Any) -> nn.Module:
        with torch.device("meta"):
            model = make(models)
        # The position grid in front of the head stays, its hidden width does not.
        model.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(features, 160), nn.ReLU(inplace=True),
            nn.Dropout(), nn.Linear(160, 128), nn.ReLU(inplace=True), nn.Linear(128, CLASSES),
        )  # fmt: skip
        return narrow(model.to_empty(device="cpu"), by)

    return build


_VGG = [16, "M", 24, "M", 32, 32, "M", 40, 40, "M", 512, 512, "M"]


def _vgg(batch_norm: bool) -> Callable[[Any], nn.Module]:
    def make(models: Any) -> nn.Module:
        layers = models.vgg.make_layers(_VGG, batch_norm=batch_norm)
        return models.VGG(layers, num_classes=CLASSES, init_weights=False)

    return _plain(make, 512 * 7 * 7, 8)


def _resnet(block: str, layers: list[int], **options: Any) -> Callable[[Any], nn.Module]:
    def build(models: Any) -> nn.Module:
        kind = getattr(models.resnet, block)
        return narrow(models.ResNet(kind, layers, num_classes=CLASSES, **options), 8)

    return build


def _regnet(se_ratio: float | None) -> Callable[[Any], nn.Module]:
    def build(models: Any) -> nn.Module:
        params = models.regnet.BlockParams(
            depths=[1, 2, 1], widths=[8, 16, 24], group_widths=[4, 8, 8],
            bottleneck_multipliers=[1.0] * 3, strides=[2] * 3, se_ratio=se_ratio,
        )  # fmt: skip
        return models.RegNet(params, num_classes=CLASSES, stem_width=8)

    return build


def _efficientnet(version: int) -> Callable[[Any], nn.Module]:
    def build(models: Any) -> nn.Module:
        mb, fused = models.efficientnet.MBConvConfig, models.efficientnet.FusedMBConvConfig
        if version == 1:
            blocks = [mb(1, 3, 1, 8, 8, 1), mb(4, 3, 2, 8, 16, 2), mb(4, 5, 2, 16, 24, 2)]
        else:
            blocks = [fused(1, 3, 1, 8, 8, 2), fused(4, 3, 2, 8, 16, 2), mb(4, 3, 2, 16, 24, 2)]
        return models.EfficientNet(blocks, dropout=0.2, num_classes=CLASSES, last_channel=40)

    return build


def _mobilenet_v3(models: Any, dilated: bool = False) -> Any:
    """All kinds of blocks: plain, squeezed, ReLU and hard swish, and four strided ones."""
    config = models.mobilenetv3.InvertedResidualConfig
    last = (2, 2 if dilated else 1)
    blocks = [
        config(8, 3, 8, 8, True, "RE", 2, 1, 1.0),
        config(8, 3, 24, 16, False, "RE", 2, 1, 1.0),
        config(16, 3, 32, 16, False, "RE", 1, 1, 1.0),
        config(16, 5, 40, 24, True, "HS", 2, 1, 1.0),
        config(24, 5, 48, 24, True, "HS", *last, 1.0),
    ]
    return models.MobileNetV3(blocks, last_channel=32, num_classes=CLASSES)


def _convnext(models: Any) -> nn.Module:
    block = models.convnext.CNBlockConfig
    blocks = [block(8, 12, 1), block(12, 16, 2), block(16, None, 1)]
    return models.ConvNeXt(blocks, num_classes=CLASSES, layer_scale=0.5)


def _swin(version: int) -> Callable[[Any], nn.Module]:
    def build(models: Any) -> nn.Module:
        code = models.swin_transformer
        options: dict[str, Any] = {}
        if version == 2:
            options = {"block": code.SwinTransformerBlockV2}
            options["downsample_layer"] = code.PatchMergingV2
        return models.SwinTransformer(
            patch_size=[2, 2], embed_dim=12, depths=[2, 2], num_heads=[2, 3], window_size=[4, 4],
            mlp_ratio=2.0, num_classes=CLASSES, **options,
        )  # fmt: skip

    return build


def _vit(models: Any) -> nn.Module:
    return models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24,
        num_classes=CLASSES,
    )  # fmt: skip


def _maxvit(models: Any) -> nn.Module:
    return models.MaxVit(
        input_size=(64, 64), stem_channels=8, partition_size=4, block_channels=[8, 16],
        block_layers=[1, 2], head_dim=4, stochastic_depth_prob=0.0, mlp_ratio=2,
        num_classes=CLASSES,
    )  # fmt: skip


# name -> builder, image side, another side that leaves the structure alone
_CLASSIFIERS: dict[str, tuple[Callable[[Any], Any], int, int | None]] = {
    "alexnet": (_plain(lambda m: m.AlexNet(CLASSES), 256 * 6 * 6, 8), 96, 128),
    "vgg": (_vgg(False), 64, 96),
    "vgg-bn": (_vgg(True), 64, 96),
    "resnet": (_resnet("BasicBlock", [1, 2, 1, 1]), 64, 96),
    "resnet-bottleneck": (_resnet("Bottleneck", [1, 2, 1, 1]), 64, 96),
    "resnext": (_resnet("Bottleneck", [1, 1, 1, 1], groups=4, width_per_group=32), 64, 96),
    "wide-resnet": (_resnet("Bottleneck", [1, 1, 1, 1], width_per_group=128), 64, 96),
    "densenet": (lambda m: m.DenseNet(4, (2, 3, 2), 8, bn_size=2, num_classes=CLASSES), 64, 96),
    "googlenet": (
        lambda m: narrow(m.GoogLeNet(CLASSES, aux_logits=False, init_weights=False), 8), 64, 96,
    ),
    "inception-v3": (
        lambda m: narrow(m.Inception3(CLASSES, aux_logits=False, init_weights=False), 8), 96, 128,
    ),
    "squeezenet": (lambda m: narrow(m.SqueezeNet("1_1", CLASSES), 8), 64, 96),
    "shufflenet-v2": (
        lambda m: m.ShuffleNetV2([2, 2, 2], [8, 12, 16, 24, 40], num_classes=CLASSES), 64, 96,
    ),
    "mobilenet-v2": (
        lambda m: narrow(m.MobileNetV2(CLASSES, inverted_residual_setting=[
            [1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2], [6, 64, 2, 1]]), 4), 64, 96,
    ),
    "mobilenet-v3": (_mobilenet_v3, 64, 96),
    "mnasnet": (lambda m: narrow(m.MNASNet(0.35, CLASSES), 4), 64, 96),
    "regnet-x": (_regnet(None), 32, 64),
    "regnet-y": (_regnet(0.25), 32, 64),
    "efficientnet": (_efficientnet(1), 32, 64),
    "efficientnet-v2": (_efficientnet(2), 32, 64),
    "convnext": (_convnext, 64, 96),
    "vit": (_vit, 32, None),
    "swin": (_swin(1), 32, 64),
    "swin-v2": (_swin(2), 32, 64),
    "maxvit": (_maxvit, 64, None),
}  # fmt: skip


# --- segmentation ---------------------------------------------------------------------------


def _dilated(models: Any) -> Any:
    """What the segmentation builders cut their backbone from."""
    kind, stride = models.resnet.Bottleneck, [False, True, True]
    return models.ResNet(kind, [1, 1, 1, 1], replace_stride_with_dilation=stride)


_SEGMENTERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "fcn": (lambda m: m.segmentation.fcn._fcn_resnet(_dilated(m), CLASSES, None), 8),
    "fcn-auxiliary": (lambda m: m.segmentation.fcn._fcn_resnet(_dilated(m), CLASSES, True), 8),
    "deeplab-v3": (
        lambda m: m.segmentation.deeplabv3._deeplabv3_resnet(_dilated(m), CLASSES, None), 8,
    ),
    "deeplab-v3-mobilenet": (
        lambda m: m.segmentation.deeplabv3._deeplabv3_mobilenetv3(
            _mobilenet_v3(m, dilated=True), CLASSES, True), 2,
    ),
    "lraspp": (
        lambda m: m.segmentation.lraspp._lraspp_mobilenetv3(
            _mobilenet_v3(m, dilated=True), CLASSES), 2,
    ),
}  # fmt: skip


# --- video ----------------------------------------------------------------------------------


def _video_resnet(convolutions: str, stem: str) -> Callable[[Any, int], nn.Module]:
    def build(models: Any, size: int) -> nn.Module:
        code = models.video.resnet
        kinds = [getattr(code, name) for name in convolutions.split()]
        net = code.VideoResNet(
            code.BasicBlock, kinds, [1, 1, 1, 1], getattr(code, stem), num_classes=CLASSES
        )
        return narrow(net, 8)

    return build


def _s3d(models: Any, size: int) -> nn.Module:
    model = models.video.S3D(num_classes=CLASSES)
    # 7 is the side of the last map of 224 pixels; here it is 2.
    model.avgpool = nn.AvgPool3d((2, 2, 2), stride=1)
    return narrow(model, 8)


def _mvit(version: int) -> Callable[[Any, int], nn.Module]:
    """Four blocks: pooled queries in two of them, pooled keys everywhere."""
    still: list[int] = [] if version == 1 else [1, 1, 1]
    kernel: list[int] = [] if version == 1 else [3, 3, 3]
    queries = [still, [1, 2, 2], still, [1, 2, 2]]
    widths = [8, 16, 16, 24, 24] if version == 1 else [8, 8, 16, 16, 24]
    if version == 1:
        options = {"residual_pool": False, "residual_with_cls_embed": True}
        options |= {"rel_pos_embed": False, "proj_after_attn": False}
    else:
        options = {"residual_pool": True, "residual_with_cls_embed": False}
        options |= {"rel_pos_embed": True, "proj_after_attn": True}

    def build(models: Any, size: int) -> nn.Module:
        code = models.video.mvit
        blocks = [
            code.MSBlockConfig(
                num_heads=[1, 2, 2, 4][i], input_channels=widths[i], output_channels=widths[i + 1],
                kernel_q=[3, 3, 3] if queries[i] == [1, 2, 2] else kernel, kernel_kv=[3, 3, 3],
                stride_q=queries[i], stride_kv=[[1, 4, 4], [1, 2, 2], [1, 2, 2], [1, 1, 1]][i],
            )
            for i in range(4)
        ]  # fmt: skip
        return code.MViT(
            spatial_size=(size, size), temporal_size=8, block_setting=blocks,
            num_classes=CLASSES, **options,
        )  # fmt: skip

    return build


def _swin3d(models: Any, size: int) -> nn.Module:
    return models.video.swin_transformer.SwinTransformer3d(
        patch_size=[2, 4, 4], embed_dim=12, depths=[2, 2], num_heads=[2, 3],
        window_size=[2, 4, 4], mlp_ratio=2.0, num_classes=CLASSES,
    )  # fmt: skip


# name -> builder, frames, image side, another side
_VIDEO: dict[str, tuple[Callable[[Any, int], nn.Module], int, int, int | None]] = {
    "r3d": (_video_resnet("Conv3DSimple " * 4, "BasicStem"), 12, 32, 48),
    "mc3": (_video_resnet("Conv3DSimple " + "Conv3DNoTemporal " * 3, "BasicStem"), 4, 32, 48),
    "r2plus1d": (_video_resnet("Conv2Plus1D " * 4, "R2Plus1dStem"), 12, 32, 48),
    "s3d": (_s3d, 16, 64, 96),
    "mvit": (_mvit(1), 8, 32, None),
    "mvit-v2": (_mvit(2), 8, 32, None),
    "swin3d": (_swin3d, 8, 64, 96),
}


# --- optical flow ---------------------------------------------------------------------------


def _raft(block: str, norm: str, mask: bool) -> Callable[[Any], nn.Module]:
    def build(models: Any) -> nn.Module:
        code = models.optical_flow.raft
        encoder = {"block": getattr(code, block), "norm_layer": getattr(nn, norm)}
        kernels, pads = ([(1, 5), (5, 1)], [(0, 2), (2, 0)]) if mask else ([3], [1])
        return code._raft(
            **{f"feature_encoder_{k}": v for k, v in encoder.items()},
            context_encoder_block=encoder["block"],
            context_encoder_norm_layer=nn.BatchNorm2d if mask else None,
            feature_encoder_layers=(8, 8, 12, 16, 20), context_encoder_layers=(8, 8, 12, 16, 26),
            corr_block_num_levels=2, corr_block_radius=1,
            motion_encoder_corr_layers=(12, 10) if mask else (12,),
            motion_encoder_flow_layers=(8, 6), motion_encoder_out_channels=14,
            recurrent_block_hidden_state_size=16, recurrent_block_kernel_size=kernels,
            recurrent_block_padding=pads, flow_head_hidden_size=12, use_mask_predictor=mask,
        )  # fmt: skip

    return build


def _pair(make: Callable[[Any], nn.Module]) -> Callable[[int, int], Sample]:
    """Two images and two updates, enough for the recurrence."""

    def build(batch: int, size: int) -> Sample:
        images = torch.randn(2, batch, 3, size, size)
        return make(torchvision_models()), (images[0], images[1]), {"num_flow_updates": 2}

    return build


# --- cases ----------------------------------------------------------------------------------


def _images(make: Callable[[Any], nn.Module], by: int = 1) -> Callable[[int, int], Sample]:
    def build(batch: int, size: int) -> Sample:
        model = make(torchvision_models())
        return (narrow(model, by) if by > 1 else model), (torch.randn(batch, 3, size, size),), {}

    return build


def _clips(make: Callable[[Any, int], nn.Module], frames: int) -> Callable[[int, int], Sample]:
    def build(batch: int, size: int) -> Sample:
        model = make(torchvision_models(), size)
        return model, (torch.randn(batch, 3, frames, size, size),), {}

    return build


CASES: tuple[Case, ...] = (
    *(
        Case(f"torchvision/{name}", _images(make), size=size, resized=resized)
        for name, (make, size, resized) in _CLASSIFIERS.items()
    ),
    *(
        Case(f"torchvision/{name}", _images(make, by), size=64, resized=96)
        for name, (make, by) in _SEGMENTERS.items()
    ),
    *(
        Case(f"torchvision/{name}", _clips(make, frames), size=size, resized=resized)
        for name, (make, frames, size, resized) in _VIDEO.items()
    ),
    # Coordinates are scaled by the size of the image.
    Case("torchvision/raft", _pair(_raft("ResidualBlock", "InstanceNorm2d", True)), 64),
    Case("torchvision/raft-small", _pair(_raft("BottleneckBlock", "InstanceNorm2d", False)), 64),
)

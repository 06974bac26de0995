"""Segmentation and medical nets: `segmentation_models_pytorch` (smp) and `monai`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from tests.zoo.case import Case, Sample
from tests.zoo.libraries import torchvision_models
from tools.sweep.catalogue.torchvision import narrow

CLASSES = 5

# --- segmentation_models_pytorch: name -> class, options, narrowed by -----------------------
# The encoders have one width: `narrow` divides it, and that of the decoder with it.
_RESNET = {"encoder_name": "tu-resnet10t", "channels": (8, 16, 24, 32), "stem_width": 8,
           "decoder_channels": (24, 20, 16, 12, 8)}  # fmt: skip

_SMP: dict[str, tuple[str, dict[str, Any], int]] = {
    "unet": ("Unet", {}, 8),
    "unet-scse": ("Unet", {"decoder_attention_type": "scse"}, 8),
    "unet-classifier": ("Unet", {"aux_params": {"classes": 3, "pooling": "avg"}}, 8),
    "unet-mobilenet": ("Unet", {"encoder_name": "mobilenet_v2"}, 8),
    "unet-efficientnet": ("Unet", {"encoder_name": "efficientnet-b0"}, 8),
    "unet-resnext": ("Unet", {"encoder_name": "resnext50_32x4d"}, 8),
    "unet-vgg": ("Unet", {"encoder_name": "vgg11_bn"}, 8),
    "unet-mix-transformer": ("Unet", {"encoder_name": "mit_b0"}, 4),
    "unet-timm": ("Unet", {"encoder_name": "tu-convnext_atto", "encoder_depth": 4,
        "decoder_channels": (24, 20, 16, 12), "depths": (1, 1, 2, 1), "dims": (8, 12, 16, 24)}, 1),
    "unet-plus-plus": ("UnetPlusPlus", {"decoder_channels": (64, 48, 40, 32, 24)}, 8),
    "manet": ("MAnet", {**_RESNET, "decoder_pab_channels": 6}, 1),
    "linknet": ("Linknet", {}, 8),
    "fpn": ("FPN", {}, 8),
    "fpn-concatenated": ("FPN", {"decoder_merge_policy": "cat"}, 8),
    "pspnet": ("PSPNet", {"encoder_depth": 4}, 8),
    "deeplab-v3": ("DeepLabV3", {}, 8),
    "deeplab-v3-plus": ("DeepLabV3Plus", {}, 8),
    "pan": ("PAN", {}, 8),
    "upernet": ("UPerNet", {}, 8),
    "segformer": ("Segformer", {"encoder_name": "mit_b0"}, 4),
    "dpt": ("DPT", {"encoder_name": "tu-test_vit", "decoder_fusion_channels": 12,
        "decoder_intermediate_channels": (8, 12, 16, 20), "embed_dim": 16, "img_size": 64}, 1),
}  # fmt: skip

_SIDES = {"pan": (128, 192), "dpt": (64, None)}


def _smp(name: str) -> Callable[[int, int], Sample]:
    kind, options, by = _SMP[name]

    def build(batch: int, size: int) -> Sample:
        torchvision_models()
        import segmentation_models_pytorch as library

        settings = {"encoder_name": "resnet18", "encoder_weights": None, "classes": CLASSES}
        model = getattr(library, kind)(**{**settings, **options})
        return narrow(model, by) if by > 1 else model, (torch.randn(batch, 3, size, size),), {}

    return build


# --- monai: name -> class, options, shape of the input ("s" is the size), side, another side ---
_IO = {"spatial_dims": 2, "in_channels": 2, "out_channels": 3}
_VOLUME = {**_IO, "spatial_dims": 3}
_LEVELS = {"channels": (8, 12, 16), "strides": (2, 2)}
_CODER = {"channels": (8, 12), "strides": (2, 2)}
_IMAGE = (2, "s", "s")
_CUBE = (2, "s", "s", "s")
_TRANSFORMER = {"hidden_size": 16, "mlp_dim": 24, "num_layers": 2, "num_heads": 2}
_DIFFUSION = {"num_res_blocks": 1, "channels": (8, 16, 24), "norm_num_groups": 4,
              "attention_levels": (False, True, True), "num_head_channels": 8}  # fmt: skip
_KL = {"num_res_blocks": (1, 1, 1), "channels": (8, 8, 16), "norm_num_groups": 4,
       "attention_levels": (False, False, True), "latent_channels": 3}  # fmt: skip

Shape = tuple[int | str, ...]
_MONAI: dict[str, tuple[str, dict[str, Any], Shape, int, int | None]] = {
    "unet": ("UNet", {**_IO, **_LEVELS, "num_res_units": 2}, _IMAGE, 16, 24),
    "unet-3d": ("UNet", {**_VOLUME, **_LEVELS}, _CUBE, 8, 12),
    "basic-unet": ("BasicUNet", {**_IO, "features": (8, 8, 12, 16, 20, 8)}, _IMAGE, 32, 48),
    "basic-unet-plus-plus": ("BasicUNetPlusPlus", {**_IO, "features": (8, 8, 12, 16, 20, 8)},
        _IMAGE, 32, 48),
    "dynunet": ("DynUNet", {**_IO, "kernel_size": [3, 3, 3], "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2], "filters": [8, 12, 16], "res_block": True}, _IMAGE, 16, 24),
    "dynunet-supervised": ("DynUNet", {**_VOLUME, "kernel_size": [3] * 4, "strides": [1, 2, 2, 2],
        "upsample_kernel_size": [2] * 3, "filters": [4, 6, 8, 10], "deep_supervision": True},
        _CUBE, 16, 24),
    "segresnet": ("SegResNet", {**_IO, "init_filters": 8, "num_groups": 4, "blocks_down": (1, 2, 1),
        "blocks_up": (1, 1)}, _IMAGE, 16, 24),
    "segresnet-ds": ("SegResNetDS", {**_IO, "init_filters": 8, "blocks_down": (1, 2, 1)}, _IMAGE,
        16, 24),
    "vnet": ("VNet", {**_IO, "in_channels": 1}, (1, "s", "s"), 32, 48),
    "unetr": ("UNETR", {**_IO, "img_size": 32, "feature_size": 4, "hidden_size": 24, "mlp_dim": 20,
        "num_heads": 2}, _IMAGE, 32, None),
    "swin-unetr": ("SwinUNETR", {**_IO, "feature_size": 12, "depths": (2, 1, 1, 1),
        "num_heads": (2, 2, 2, 2), "window_size": 4}, _IMAGE, 64, None),
    "swin-unetr-v2": ("SwinUNETR", {**_IO, "feature_size": 12, "depths": (2, 1, 1, 1),
        "num_heads": (2, 2, 2, 2), "window_size": 4, "use_v2": True}, _IMAGE, 64, None),
    "attention-unet": ("AttentionUnet", {**_IO, **_LEVELS}, _IMAGE, 16, 24),
    "ahnet": ("AHNet", {**_IO, "in_channels": 1, "psp_block_num": 0, "layers": (1, 1, 1, 1),
        "upsample_mode": "bilinear"}, (1, "s", "s"), 64, 96),
    "highresnet": ("HighResNet", {**_IO, "in_channels": 2, "layer_params": (
        {"name": "conv_0", "n_features": 8, "kernel_size": 3},
        {"name": "res_1", "n_features": 8, "kernels": (3, 3), "repeat": 2},
        {"name": "res_2", "n_features": 12, "kernels": (3, 3), "repeat": 2},
        {"name": "conv_1", "n_features": 16, "kernel_size": 1},
        {"name": "conv_2", "kernel_size": 1})}, _IMAGE, 16, 24),
    "densenet121": ("DenseNet121", {**_IO, "init_features": 8, "growth_rate": 4,
        "block_config": (2, 2, 2)}, _IMAGE, 32, 48),
    "efficientnet": ("EfficientNet", {"blocks_args_str": ["r1_k3_s11_e1_i32_o16_se0.25",
        "r2_k3_s22_e4_i16_o32_se0.25", "r1_k5_s22_e4_i32_o48_se0.25"], "spatial_dims": 2,
        "in_channels": 2, "num_classes": 3, "width_coefficient": 0.5, "image_size": 32}, _IMAGE,
        32, None),
    "flexible-unet": ("FlexibleUNet", {**_IO, "backbone": "efficientnet-b0",
        "decoder_channels": (64, 48, 32, 24, 16)}, _IMAGE, 64, 96),
    "senet": ("SENet", {"spatial_dims": 2, "in_channels": 2, "block": "se_resnetxt_bottleneck",
        "layers": (1, 1, 1, 1), "groups": 4, "reduction": 8, "inplanes": 16,
        "num_classes": 3}, _IMAGE, 64, 96),
    "resnet": ("ResNet", {"block": "bottleneck", "layers": [1, 2, 1, 1], "spatial_dims": 3,
        "block_inplanes": [8, 8, 12, 16], "n_input_channels": 2, "num_classes": 3}, _CUBE, 32, 48),
    "vit": ("ViT", {"in_channels": 2, "img_size": 16, "patch_size": 4, "spatial_dims": 2,
        "classification": True, "num_classes": 3, **_TRANSFORMER}, _IMAGE, 16, None),
    "vit-autoencoder": ("ViTAutoEnc", {"in_channels": 2, "img_size": 16, "patch_size": 4,
        "spatial_dims": 2, "out_channels": 2, "deconv_chns": 8, **_TRANSFORMER}, _IMAGE, 16, None),
    "autoencoder": ("AutoEncoder", {**_IO, **_CODER, "inter_channels": [12, 12],
        "num_res_units": 1}, _IMAGE, 16, 24),
    "var-autoencoder": ("VarAutoEncoder", {"spatial_dims": 2, "in_shape": (2, 16, 16),
        "out_channels": 2, "latent_size": 6, "use_mean_at_inference": True, **_CODER}, _IMAGE, 16,
        None),
    "vqvae": ("VQVAE", {"spatial_dims": 2, "in_channels": 2, "out_channels": 2, "num_res_layers": 1,
        "channels": (8, 12), "num_res_channels": (6, 10), "num_embeddings": 7, "embedding_dim": 5,
        "downsample_parameters": ((2, 4, 1, 1),) * 2, "ddp_sync": False,
        "upsample_parameters": ((2, 4, 1, 1, 0),) * 2}, _IMAGE, 16, 24),
    "autoencoder-kl": ("AutoencoderKL", {**_IO, **_KL}, _IMAGE, 16, 24),
    "mednext": ("MedNeXt", {**_IO, "init_filters": 4, "kernel_size": 3, "blocks_down": (1, 2),
        "blocks_bottleneck": 1, "blocks_up": (1, 1), "use_residual_connection": True,
        "global_resp_norm": True}, _IMAGE, 16, 24),
    "regunet": ("RegUNet", {**_IO, "num_channel_initial": 8, "depth": 2}, _IMAGE, 16, 24),
    "localnet": ("LocalNet", {"spatial_dims": 2, "in_channels": 2, "num_channel_initial": 8,
        "extract_levels": (0, 1, 2), "out_channels": 3}, _IMAGE, 16, 24),
    "quicknat": ("Quicknat", {"num_classes": 3, "num_channels": 2, "num_filters": 8}, _IMAGE, 32,
        48),
    "classifier": ("Classifier", {"in_shape": (2, 16, 16), "classes": 3, **_CODER}, _IMAGE, 16,
        None),
    "regressor": ("Regressor", {"in_shape": (2, 16, 16), "out_shape": (3,), **_CODER}, _IMAGE, 16,
        None),
    "generator": ("Generator", {"latent_shape": (6,), "start_shape": (8, 4, 4), "channels": (12, 3),
        "strides": (2, 2)}, (6,), 6, None),
    "globalnet": ("GlobalNet", {"image_size": [16, 16], "spatial_dims": 2, "in_channels": 2,
        "num_channel_initial": 8, "depth": 2}, _IMAGE, 16, None),
    "multiscale-discriminator": ("MultiScalePatchDiscriminator", {"num_d": 2, "num_layers_d": 2,
        "spatial_dims": 2, "channels": 8, "in_channels": 2, "minimum_size_im": 32}, _IMAGE, 32, 48),
    "patch-discriminator": ("PatchDiscriminator", {"spatial_dims": 2, "channels": 8,
        "in_channels": 2, "num_layers_d": 2}, _IMAGE, 32, 48),
    "restormer": ("Restormer", {"spatial_dims": 2, "in_channels": 2, "out_channels": 2, "dim": 8,
        "num_blocks": (1, 1, 1), "heads": (1, 2, 2), "num_refinement_blocks": 1}, _IMAGE, 16, 24),
    "fully-connected": ("FullyConnectedNet", {"in_channels": 6, "out_channels": 3,
        "hidden_channels": (8, 12)}, (6,), 6, None),
    "daf3d": ("DAF3D", {"in_channels": 1, "out_channels": 2}, (1, "s", "s", "s"), 32, None),
    "hovernet": ("HoVerNet", {"out_classes": 4}, (3, "s", "s"), 256, None),
}  # fmt: skip

# Of the nets with fixed widths.
_NARROWED = {"vnet": 4, "ahnet": 4, "flexible-unet": 4, "daf3d": 8, "hovernet": 8, "senet": 4}


class _Reconstruction(nn.Module):
    """An autoencoder through the mean of its code: its own `forward` draws a random one."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> Any:
        return self.net.reconstruct(x)


def _monai_net(name: str, kind: str, options: Mapping[str, Any]) -> nn.Module:
    torchvision_models()
    import monai.networks.nets as library
    from monai.networks.nets.restormer import Restormer  # it is not among the exported ones

    model: Any = getattr(library, kind, Restormer)(**options)
    by = _NARROWED.get(name, 1)
    if by > 1:
        narrow(model, by)
    if kind == "VNet":
        model.in_tr.in_channels *= by  # it repeats its input up to 16 channels
    return _Reconstruction(model) if kind == "AutoencoderKL" else model


def _monai(name: str) -> Callable[[int, int], Sample]:
    kind, options, shape, _, _ = _MONAI[name]

    def build(batch: int, size: int) -> Sample:
        sides = [size if isinstance(n, str) else n for n in shape]
        return _monai_net(name, kind, options), (torch.randn(batch, *sides),), {}

    return build


# --- monai: nets with more than one input ---------------------------------------------------


def _diffusion(batch: int, size: int) -> Sample:
    options = {**_IO, **_DIFFUSION, "with_conditioning": True, "cross_attention_dim": 6}
    model = _monai_net("diffusion-unet", "DiffusionModelUNet", options)
    inputs = {"x": torch.randn(batch, 2, size, size), "timesteps": torch.randint(0, 9, (batch,))}
    return model, (), {**inputs, "context": torch.randn(batch, 5, 6)}


def _controlnet(batch: int, size: int) -> Sample:
    options = {**_DIFFUSION, "spatial_dims": 2, "in_channels": 2}
    options["conditioning_embedding_num_channels"] = (8,)
    model = _monai_net("controlnet", "ControlNet", options)
    inputs = {"x": torch.randn(batch, 2, size, size), "timesteps": torch.randint(0, 9, (batch,))}
    return model, (), {**inputs, "controlnet_cond": torch.randn(batch, 1, size, size)}


def _spade(batch: int, size: int) -> Sample:
    options = {**_IO, **_DIFFUSION, "label_nc": 4, "spade_intermediate_channels": 10}
    model = _monai_net("spade-diffusion-unet", "SPADEDiffusionModelUNet", options)
    inputs = {"x": torch.randn(batch, 2, size, size), "timesteps": torch.randint(0, 9, (batch,))}
    return model, (), {**inputs, "seg": torch.rand(batch, 4, size, size)}


def _voxelmorph(batch: int, size: int) -> Sample:
    options = {"spatial_dims": 2, "in_channels": 2, "unet_out_channels": 8,
               "channels": (8, 12, 12, 10), "final_conv_channels": (8,)}  # fmt: skip
    backbone = _monai_net("voxelmorph-unet", "VoxelMorphUNet", options)
    options = {"backbone": backbone, "integration_steps": 2, "spatial_dims": 2}
    images = torch.randn(2, batch, 1, size, size)
    return _monai_net("voxelmorph", "VoxelMorph", options), (images[0], images[1]), {}


def _decoder(batch: int, size: int) -> Sample:
    options = {"num_tokens": 20, "max_seq_len": 12, "attn_layers_dim": 16, "attn_layers_depth": 2,
               "attn_layers_heads": 2, "with_cross_attention": True}  # fmt: skip
    model = _monai_net("decoder-transformer", "DecoderOnlyTransformer", options)
    return model, (torch.randint(0, 20, (batch, size)), torch.randn(batch, 5, 16)), {}


def _instances(batch: int, size: int) -> Sample:
    """Bags of images, pooled by attention (multiple instance learning)."""
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    options = {"num_classes": 3, "mil_mode": "att_trans", "pretrained": False, "trans_blocks": 2}
    options |= {"backbone": nn.Sequential(backbone, nn.Flatten()), "backbone_num_features": 8}
    return _monai_net("mil", "MILModel", options), (torch.randn(batch, 4, 3, size, size),), {}


# name -> builder, side, another side
_SEVERAL: dict[str, tuple[Callable[[int, int], Sample], int, int | None]] = {
    "diffusion-unet": (_diffusion, 16, 24),
    "controlnet": (_controlnet, 16, 24),
    "spade-diffusion-unet": (_spade, 16, 24),
    "voxelmorph": (_voxelmorph, 16, 32),
    "decoder-transformer": (_decoder, 7, None),
    "multiple-instances": (_instances, 16, 24),
}

CASES: tuple[Case, ...] = (
    *(Case(f"smp/{name}", _smp(name), *_SIDES.get(name, (64, 96))) for name in _SMP),
    *(
        Case(f"monai/{name}", _monai(name), size=row[3], resized=row[4])
        for name, row in _MONAI.items()
    ),
    *(
        Case(f"monai/{name}", build, size=size, resized=resized)
        for name, (build, size, resized) in _SEVERAL.items()
    ),
)

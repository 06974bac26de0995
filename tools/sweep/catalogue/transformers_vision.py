"""Models of `transformers` that see images and videos, from tiny configurations."""

from __future__ import annotations

from typing import Any

import torch

from tests.zoo.case import Case
from tools.sweep.catalogue.transformers_text import Inputs, case

Options = dict[str, Any]
LABELS = {"num_labels": 3}


def image(batch: int, size: int) -> dict[str, Any]:
    return {"pixel_values": torch.randn(batch, 3, size, size)}


def _video(frames: int) -> Inputs:
    return lambda batch, size: {"pixel_values": torch.randn(batch, frames, 3, size, size)}


def _with_noise(batch: int, size: int) -> dict[str, Any]:
    """A masked autoencoder draws which patches it hides, unless it gets the noise."""
    return {**image(batch, size), "noise": torch.rand(batch, (size // 8) ** 2)}


def _pixels(batch: int, size: int) -> dict[str, Any]:
    """Image GPT reads an image as a sequence of colours."""
    return {"input_ids": torch.randint(0, 19, (batch, size))}


def _perceived(batch: int, size: int) -> dict[str, Any]:
    return {"inputs": torch.randn(batch, size, 10)}


def _clicks(batch: int, size: int) -> dict[str, Any]:
    points = torch.rand(batch, 1, 2, 2) * size
    return {**image(batch, size), "input_points": points, "input_labels": torch.ones(batch, 1, 2)}


def _matte(batch: int, size: int) -> dict[str, Any]:
    """Colours and a map of the known foreground."""
    return {"pixel_values": torch.randn(batch, 4, size, size)}


def _task(batch: int, size: int) -> dict[str, Any]:
    return {**image(batch, size), "task_inputs": torch.randint(1, 40, (batch, 6))}


_VIT: Options = {
    "image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 24,
}  # fmt: skip
_DINO: Options = {k: v for k, v in _VIT.items() if k != "intermediate_size"} | {"mlp_ratio": 2}
_DECODER: Options = {"decoder_hidden_size": 12, "decoder_num_attention_heads": 2,
                     "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 20}  # fmt: skip
_SWIN: Options = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [2, 2],
                  "num_heads": [2, 4], "window_size": 4}  # fmt: skip
_STAGES: Options = {"hidden_sizes": [6, 8, 10, 12], "depths": [1, 1, 1, 2]}
_PYRAMID: Options = {"hidden_sizes": [6, 8, 12, 16], "depths": [1, 1, 1, 1],
                     "num_attention_heads": [1, 2, 3, 4], "mlp_ratios": [2, 2, 2, 2]}  # fmt: skip
_RESNET: Options = {"embedding_size": 6, "hidden_sizes": [8, 12, 16, 24], "depths": [1, 2, 1, 1]}


def _is(*names: str, prefix: str = "ForImageClassification") -> tuple[str, str]:
    """A model class and its configuration class, from what their names have in common."""
    return names[0] + prefix, names[-1] + "Config"


# name -> classes, options beside the number of labels, size, other size
_CLASSIFIERS: dict[str, tuple[tuple[str, str], Options, int, int | None]] = {
    "vit": (_is("ViT"), _VIT, 32, None),
    "vit-msn": (_is("ViTMSN"), _VIT, 32, None),
    "ijepa": (_is("IJepa"), _VIT, 32, None),
    "deit": (("DeiTForImageClassificationWithTeacher", "DeiTConfig"), _VIT, 32, None),
    "beit": (_is("Beit"), {**_VIT, "use_relative_position_bias": True}, 32, None),
    "data2vec-vision": (_is("Data2VecVision"),
        {**_VIT, "use_shared_relative_position_bias": True}, 32, None),
    "dinov2": (_is("Dinov2"), _DINO, 32, None),
    "dinov2-swiglu": (_is("Dinov2"), {**_DINO, "use_swiglu_ffn": True}, 32, None),
    "dinov2-with-registers": (_is("Dinov2WithRegisters"),
        {**_DINO, "num_register_tokens": 3}, 32, None),
    "siglip-vision": (_is("Siglip"), {"vision_config": _VIT}, 32, None),
    "swin": (_is("Swin"), _SWIN, 32, None),
    "swinv2": (_is("Swinv2"), _SWIN, 32, None),
    "convnext": (_is("ConvNext"), _STAGES, 64, 96),
    "convnextv2": (_is("ConvNextV2"), _STAGES, 64, 96),
    "segformer-classifier": (_is("Segformer"), _PYRAMID, 64, 96),
    "mobilevit": (_is("MobileViT"),
        {"image_size": 64, "hidden_sizes": [8, 10, 12], "num_attention_heads": 2,
         "neck_hidden_sizes": [4, 6, 8, 8, 10, 12, 14], "mlp_ratio": 1.5}, 64, 128),
    "mobilevitv2": (_is("MobileViTV2"), {"image_size": 64, "width_multiplier": 0.125}, 64, 128),
    "mobilenet-v1": (_is("MobileNetV1"), {"depth_multiplier": 0.05, "min_depth": 4}, 64, 96),
    "mobilenet-v2": (_is("MobileNetV2"),
        {"depth_multiplier": 0.1, "min_depth": 4, "depth_divisible_by": 2}, 64, 96),
    "levit": (_is("Levit"),
        {"image_size": 64, "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 3, 4],
         "depths": [1, 2, 1], "key_dim": [4, 4, 4]}, 64, None),
    "resnet": (_is("ResNet"), {**_RESNET, "layer_type": "bottleneck"}, 64, 96),
    "resnet-basic": (_is("ResNet"), {**_RESNET, "layer_type": "basic"}, 64, 96),
    "regnet": (_is("RegNet"), {**_RESNET, "groups_width": 4, "layer_type": "y"}, 64, 96),
    "bit": (_is("Bit"),
        {**_RESNET, "embedding_size": 8, "num_groups": 2}, 64, 96),
    "cvt": (_is("Cvt"),
        {"embed_dim": [8, 12, 16], "num_heads": [1, 2, 4], "depth": [1, 2, 3],
         "mlp_ratio": [2.0, 2.0, 2.0]}, 64, 96),
    "pvt": (_is("Pvt"), {**_PYRAMID, "image_size": 64}, 64, None),
    "pvt-v2": (_is("PvtV2"), {**_PYRAMID, "image_size": 64}, 64, 96),
    "pvt-v2-linear": (_is("PvtV2"), {**_PYRAMID, "linear_attention": True}, 64, 96),
    "focalnet": (_is("FocalNet"),
        {"image_size": 32, "embed_dim": 8, "hidden_sizes": [8, 16], "depths": [2, 1],
         "focal_levels": [2, 3], "focal_windows": [3, 3], "use_layerscale": True}, 32, 48),
    "efficientnet": (_is("EfficientNet"),
        {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320}, 64, 96),
    "poolformer": (_is("PoolFormer"), _STAGES, 64, 96),
    "swiftformer": (_is("SwiftFormer"),
        {"depths": [1, 2, 1, 1], "embed_dims": [8, 12, 16, 20], "mlp_ratio": 2}, 64, 96),
    "hiera": (_is("Hiera"),
        {"embed_dim": 8, "image_size": [64, 64], "depths": [1, 2, 1, 1], "num_heads": [1, 2, 4, 8],
         "mlp_ratio": 2.0}, 64, None),
    "imagegpt": (_is("ImageGPT"),
        {"vocab_size": 20, "n_positions": 32, "n_embd": 16, "n_layer": 2, "n_head": 2,
         "use_cache": False}, 9, 8),
    "textnet": (_is("TextNet"),
        {"stem_out_channels": 6, "hidden_sizes": [6, 8, 10, 12, 14],
         "conv_layer_kernel_sizes": [[[3, 3]], [[3, 1], [1, 3]], [[3, 3]], [[3, 3]]],
         "conv_layer_strides": [[2], [2, 1], [2], [2]]}, 64, 96),
    "hgnet-v2": (_is("HGNetV2"),
        {"embedding_size": 6, "hidden_sizes": [8, 10, 12, 14], "stem_channels": [3, 4, 6],
         "stage_in_channels": [6, 8, 10, 12], "stage_mid_channels": [4, 5, 6, 7],
         "stage_out_channels": [8, 10, 12, 14], "stage_numb_of_layers": [2, 1, 2, 1],
         "stage_num_blocks": [1, 1, 2, 1], "use_learnable_affine_block": True}, 64, 96),
    "perceiver-image": (("PerceiverForImageClassificationConvProcessing", "PerceiverConfig"),
        {"num_latents": 5, "d_latents": 12, "num_self_attends_per_block": 2,
         "num_self_attention_heads": 2, "num_cross_attention_heads": 1, "image_size": 32},
        32, None),
}  # fmt: skip


def _backbone(*stages: int, **options: Any) -> Options:
    names = [f"stage{i}" for i in stages]
    return {"model_type": "resnet", **_RESNET, "layer_type": "basic", "out_features": names,
            **options}  # fmt: skip


# Widths of 64 below: those heads have norms of 32 groups.
_DETR: Options = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 20, "num_queries": 5,
    "num_labels": 3, "backbone_config": _backbone(4),
}  # fmt: skip
_RT_DETR: Options = {
    "d_model": 16, "encoder_hidden_dim": 16, "encoder_in_channels": [12, 16, 24],
    "encoder_ffn_dim": 24, "encoder_attention_heads": 2, "decoder_in_channels": [16, 16, 16],
    "decoder_ffn_dim": 20, "decoder_attention_heads": 2, "decoder_layers": 2, "num_queries": 5,
    "num_denoising": 0, "num_labels": 3, "decoder_n_points": 2, "hidden_expansion": 0.5,
    "backbone_config": _backbone(2, 3, 4, model_type="rt_detr_resnet", layer_type="bottleneck"),
}  # fmt: skip
_SWIN_BACKBONE: Options = {
    "model_type": "swin", "image_size": 64, "patch_size": 4, "embed_dim": 8, "depths": [1, 1, 1, 1],
    "num_heads": [1, 2, 2, 4], "window_size": 4, "mlp_ratio": 2.0,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}  # fmt: skip
_FOUR = ["stage1", "stage2", "stage3", "stage4"]
_DENSE: Options = {"fusion_hidden_size": 8, "neck_hidden_sizes": [4, 6, 8, 10]}
_FORMER: Options = {
    "backbone_config": _SWIN_BACKBONE, "feature_size": 64, "mask_feature_size": 12,
    "hidden_dim": 16, "encoder_feedforward_dim": 24, "encoder_layers": 1, "decoder_layers": 3,
    "num_attention_heads": 2, "dim_feedforward": 20, "num_queries": 5, "num_labels": 3,
}  # fmt: skip
_FRAMES: Options = {**_VIT, "num_labels": 3, "num_frames": 4}

# name -> model class, configuration class, inputs, options, size, other size
_OTHERS: dict[str, tuple[str, str, Inputs, Options, int, int | None]] = {
    "vit-mae": ("ViTMAEForPreTraining", "ViTMAEConfig", _with_noise,
        {**_VIT, **_DECODER}, 32, None),
    "dinov3-vit": ("DINOv3ViTModel", "DINOv3ViTConfig", image,
        {**_VIT, "num_register_tokens": 3}, 32, 48),
    "dinov3-vit-gated": ("DINOv3ViTModel", "DINOv3ViTConfig", image,
        {**_VIT, "use_gated_mlp": True}, 32, 48),
    "dinov3-convnext": ("DINOv3ConvNextModel", "DINOv3ConvNextConfig", image, _STAGES, 64, 96),
    "aimv2": ("Aimv2VisionModel", "Aimv2VisionConfig", image, _VIT, 32, None),
    "vitdet": ("VitDetModel", "VitDetConfig", image,
        {**_DINO, "pretrain_image_size": 32, "window_size": 2, "window_block_indices": [0],
         "residual_block_indices": [1], "use_relative_position_embeddings": True}, 32, None),
    "swin2sr": ("Swin2SRForImageSuperResolution", "Swin2SRConfig", image,
        {"image_size": 16, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2],
         "window_size": 4}, 16, 24),
    "imagegpt-pixels": ("ImageGPTForCausalImageModeling", "ImageGPTConfig", _pixels,
        _CLASSIFIERS["imagegpt"][1], 9, 8),
    "perceiver": ("PerceiverModel", "PerceiverConfig", _perceived,
        {"d_model": 10, "num_latents": 5, "d_latents": 12, "num_blocks": 2,
         "num_self_attends_per_block": 2, "num_self_attention_heads": 3,
         "num_cross_attention_heads": 2}, 7, 6),
    "beit-segmentation": ("BeitForSemanticSegmentation", "BeitConfig", image,
        {**_VIT, **LABELS, "num_hidden_layers": 4, "out_indices": [1, 2, 3, 4],
         "use_relative_position_bias": True, "pool_scales": [1, 2], "auxiliary_channels": 6,
         "add_fpn": True}, 32, None),
    "segformer": ("SegformerForSemanticSegmentation", "SegformerConfig", image,
        {**_PYRAMID, **LABELS, "decoder_hidden_size": 10}, 64, 96),
    "mobilevit-deeplab": ("MobileViTForSemanticSegmentation", "MobileViTConfig", image,
        {**_CLASSIFIERS["mobilevit"][1], **LABELS, "aspp_out_channels": 6, "output_stride": 16},
        64, 128),
    "upernet": ("UperNetForSemanticSegmentation", "UperNetConfig", image,
        {**LABELS, "hidden_size": 8, "auxiliary_in_channels": 10, "auxiliary_channels": 6,
         "backbone_config": {"model_type": "convnext", **_STAGES, "out_features": _FOUR}}, 64, 96),
    "upernet-swin": ("UperNetForSemanticSegmentation", "UperNetConfig", image,
        {**LABELS, "hidden_size": 8, "auxiliary_in_channels": 32, "auxiliary_channels": 6,
         "backbone_config": _SWIN_BACKBONE}, 64, None),
    "dpt": ("DPTForDepthEstimation", "DPTConfig", image,
        {**_VIT, **_DENSE, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3]}, 32, None),
    "glpn": ("GLPNForDepthEstimation", "GLPNConfig", image,
        {**_PYRAMID, "decoder_hidden_size": 10}, 64, 96),
    "depth-anything": ("DepthAnythingForDepthEstimation", "DepthAnythingConfig", image,
        {**_DENSE, "patch_size": 8, "reassemble_hidden_size": 16, "head_hidden_size": 6,
         "backbone_config": {"model_type": "dinov2", **_DINO, "num_hidden_layers": 4,
                             "out_features": _FOUR, "reshape_hidden_states": False}}, 32, None),
    "zoedepth": ("ZoeDepthForDepthEstimation", "ZoeDepthConfig", image,
        {**_DENSE, "num_relative_features": 5, "bottleneck_features": 8, "bin_embedding_dim": 6,
         "num_attractors": [4, 3, 2, 1],
         "bin_configurations": [
             {"n_bins": 7, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
         "backbone_config": {"model_type": "beit", **_VIT, "num_hidden_layers": 4,
                             "out_features": _FOUR, "reshape_hidden_states": False}}, 32, None),
    "detr": ("DetrForObjectDetection", "DetrConfig", image, _DETR, 64, 96),
    "detr-segmentation": ("DetrForSegmentation", "DetrConfig", image,
        {**_DETR, "d_model": 128, "encoder_attention_heads": 8, "decoder_attention_heads": 8,
         "backbone_config": _backbone(1, 2, 3, 4)}, 64, 96),
    "table-transformer": ("TableTransformerForObjectDetection", "TableTransformerConfig", image,
        _DETR, 64, 96),
    "conditional-detr": ("ConditionalDetrForObjectDetection", "ConditionalDetrConfig", image,
        _DETR, 64, 96),
    "dab-detr": ("DabDetrForObjectDetection", "DabDetrConfig", image,
        {**_DETR, "hidden_size": 16}, 64, 96),
    "deformable-detr": ("DeformableDetrForObjectDetection", "DeformableDetrConfig", image,
        {**_DETR, "d_model": 64, "backbone_config": _backbone(2, 3, 4), "num_feature_levels": 3,
         "encoder_n_points": 2, "decoder_n_points": 2, "with_box_refine": True,
         "disable_custom_kernels": True}, 64, 96),
    "rt-detr": ("RTDetrForObjectDetection", "RTDetrConfig", image, _RT_DETR, 64, None),
    "rt-detr-v2": ("RTDetrV2ForObjectDetection", "RTDetrV2Config", image, _RT_DETR, 64, None),
    "d-fine": ("DFineForObjectDetection", "DFineConfig", image,
        {**_RT_DETR, "max_num_bins": 8, "lqe_hidden_dim": 6, "depth_mult": 0.34,
         "backbone_config": {"model_type": "hgnet_v2", **_CLASSIFIERS["hgnet-v2"][1],
                             "out_features": _FOUR[1:]}, "encoder_in_channels": [10, 12, 14]},
        64, None),
    "yolos": ("YolosForObjectDetection", "YolosConfig", image,
        {**_VIT, **LABELS, "image_size": [32, 32], "num_detection_tokens": 5}, 32, None),
    # The whole models want scipy, for their losses.
    "maskformer": ("MaskFormerModel", "MaskFormerConfig", image,
        {**LABELS, "fpn_feature_size": 64, "mask_feature_size": 10,
         "backbone_config": _SWIN_BACKBONE, "decoder_config": {"model_type": "detr", **_DETR}},
        64, None),
    "mask2former": ("Mask2FormerModel", "Mask2FormerConfig", image, _FORMER,
        64, None),
    "oneformer": ("OneFormerModel", "OneFormerConfig", _task,
        {"backbone_config": _SWIN_BACKBONE, "num_labels": 3, "conv_dim": 64, "mask_dim": 64,
         "hidden_dim": 16, "encoder_feedforward_dim": 24, "encoder_layers": 1,
         "decoder_layers": 3, "num_attention_heads": 2, "dim_feedforward": 20, "num_queries": 5,
         "task_seq_len": 6, "is_training": False, "query_dec_layers": 1, "norm": "GN"}, 64, None),
    "sam": ("SamModel", "SamConfig", _clicks,
        {"vision_config": {**_VIT, "patch_size": 4, "mlp_dim": 24, "output_channels": 16,
                           "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 8},
         "prompt_encoder_config": {"hidden_size": 16, "image_size": 32, "patch_size": 4,
                                   "mask_input_channels": 8},
         "mask_decoder_config": {"hidden_size": 16, "mlp_dim": 24, "num_attention_heads": 2,
                                 "iou_head_hidden_dim": 12}}, 32, None),
    "vitmatte": ("VitMatteForImageMatting", "VitMatteConfig", _matte,
        {"hidden_size": 16, "convstream_hidden_sizes": [6, 8, 10],
         "fusion_hidden_sizes": [12, 10, 8, 6],
         "backbone_config": {"model_type": "vitdet", **_DINO, "image_size": 64, "patch_size": 16,
                             "pretrain_image_size": 64, "num_channels": 4,
                             "residual_block_indices": [1], "out_features": ["stage2"]}}, 64, None),
    "vitpose": ("VitPoseForPoseEstimation", "VitPoseConfig", image,
        {**LABELS, "use_simple_decoder": False,
         "backbone_config": {"model_type": "vitpose_backbone", **_DINO, "image_size": [32, 32],
                             "patch_size": [8, 8], "out_features": ["stage2"]}}, 32, None),
    "superpoint": ("SuperPointForKeypointDetection", "SuperPointConfig", image,
        {"encoder_hidden_sizes": [6, 8, 10, 12], "decoder_hidden_size": 12,
         "descriptor_decoder_dim": 10, "max_keypoints": 5}, 48, None),
    "timesformer": ("TimesformerForVideoClassification", "TimesformerConfig", _video(4), _FRAMES,
        32, None),
    "videomae": ("VideoMAEForVideoClassification", "VideoMAEConfig", _video(4), _FRAMES, 32, None),
    "vivit": ("VivitForVideoClassification", "VivitConfig", _video(4),
        {**_FRAMES, "tubelet_size": [2, 8, 8]}, 32, None),
}  # fmt: skip


def _clip(batch: int, size: int) -> dict[str, Any]:
    return {"pixel_values_videos": torch.randn(batch, 4, 3, size, size)}


_JEPA: Options = {
    "patch_size": 8, "crop_size": 32, "frames_per_clip": 4, "hidden_size": 24, "mlp_ratio": 1.5,
    "num_attention_heads": 2, "num_hidden_layers": 2, "num_pooler_layers": 1,
    "pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1,
    "pred_num_mask_tokens": 2, "pred_mlp_ratio": 1.5, "num_labels": 3,
}  # fmt: skip


def _cases() -> list[Case]:
    found = []
    for name, ((kind, config), options, size, resized) in _CLASSIFIERS.items():
        inputs: Inputs = _pixels if name == "imagegpt" else image
        found.append(case(name, kind, config, inputs, {**options, **LABELS}, size, resized))
    for name, (kind, config, inputs, options, size, resized) in _OTHERS.items():
        found.append(case(name, kind, config, inputs, options, size, resized))
    return found


CASES: tuple[Case, ...] = (
    *_cases(),
    case("vjepa2", "VJEPA2Model", "VJEPA2Config", _clip, _JEPA, size=32),
    case("vjepa2-classifier", "VJEPA2ForVideoClassification", "VJEPA2Config", _clip, _JEPA, 32),
)

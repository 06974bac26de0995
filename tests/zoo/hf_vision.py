"""Vision and image-text models of `transformers`, from tiny configurations with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.zoo.case import Case, Sample
from tests.zoo.hf_text import VOCABULARY, ids, model


def _image(make: Callable[[int], Any]) -> Callable[[int, int], Sample]:
    def build(batch: int, size: int) -> Sample:
        return make(size), (), {"pixel_values": torch.randn(batch, 3, size, size)}

    return build


def _vit(size: int) -> Any:
    return model("ViTForImageClassification", "ViTConfig", hidden_size=8, num_hidden_layers=2,
                 num_attention_heads=2, intermediate_size=12, image_size=size,
                 patch_size=4)  # fmt: skip


def _swin(size: int) -> Any:
    return model("SwinForImageClassification", "SwinConfig", image_size=size, patch_size=2,
                 embed_dim=8, depths=[2, 1], num_heads=[2, 2], window_size=4,
                 mlp_ratio=1.5)  # fmt: skip


def _convnext(size: int) -> Any:
    return model("ConvNextForImageClassification", "ConvNextConfig", hidden_sizes=[4, 8],
                 depths=[1, 1], num_stages=2, patch_size=2, image_size=size)  # fmt: skip


def _segformer(size: int) -> Any:
    return model("SegformerForSemanticSegmentation", "SegformerConfig", num_encoder_blocks=2,
                 depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[4, 8], patch_sizes=[3, 3],
                 strides=[2, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
                 decoder_hidden_size=8, num_labels=3)  # fmt: skip


def _resnet(size: int) -> Any:
    return model("ResNetForImageClassification", "ResNetConfig", embedding_size=4, depths=[1, 1],
                 hidden_sizes=[4, 8], layer_type="basic", num_labels=3)  # fmt: skip


def _clip(batch: int, size: int) -> Sample:
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 12}  # fmt: skip
    text = {
        **shape,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 8,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    vision = {**shape, "image_size": size, "patch_size": 4}
    net = model("CLIPModel", "CLIPConfig", text_config=text, vision_config=vision, projection_dim=6)
    pixels = torch.randn(batch, 3, size, size)
    return net, (), {"input_ids": ids(batch, 5), "pixel_values": pixels}


CASES: tuple[Case, ...] = (
    Case("vit", _image(_vit), heavy=True, classes={
        "vit.embeddings.position_embeddings": 5, "vit.embeddings.cls_token": 1,
        "vit.embeddings.patch_embeddings.projection.weight": 48, "classifier.weight": 2,
        "vit.layernorm.weight": 1}),
    Case("swin", _image(_swin), size=16, heavy=True, classes={
        "swin.embeddings.patch_embeddings.projection.weight": 12, "classifier.weight": 2}),
    Case("convnext", _image(_convnext), size=16, resized=20, heavy=True,
         classes={"classifier.weight": 2}),
    Case("segformer", _image(_segformer), size=16, resized=20, heavy=True),
    Case("hf-resnet", _image(_resnet), size=16, resized=20, heavy=True),
    Case("clip", _clip, batched=False, heavy=True, classes={
        # Last hidden states and embeddings are outputs, so their features are told apart.
        "text_model.embeddings.token_embedding.weight": VOCABULARY * 8,
        "vision_model.encoder.layers.0.mlp.fc1.weight": 8, "text_projection.weight": 48,
        "vision_model.encoder.layers.0.self_attn.k_proj.weight": 8, "logit_scale": 1}),
)  # fmt: skip

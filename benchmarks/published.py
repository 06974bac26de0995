"""The most used architectures at their published sizes, without weights and without downloads.

Configurations are typed in; `parameters` in the results shows that they are the published ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.published_configs import CAUSAL, ENCODERS
from tests.zoo import libraries
from tests.zoo.case import Sample

Build = Callable[[], Sample]
LENGTH = 8


def make(name: str, device: str = "meta") -> Sample:
    """Model and example inputs on `device`; on the meta device no memory is used."""
    with torch.device(device):
        model, args, kwargs = PUBLISHED[name]()
    return model.eval(), args, kwargs


def tokens(length: int = LENGTH) -> Tensor:
    """A short sentence: the structure does not depend on its length."""
    return torch.zeros(1, length, dtype=torch.int64)


def _torchvision(name: str, size: int = 224, **options: Any) -> Sample:
    models = libraries.torchvision_models()
    build = getattr(models, name, None) or getattr(models.segmentation, name)
    return build(weights=None, **options), (torch.randn(1, 3, size, size),), {}


def _regnet_y_8gf() -> Sample:
    models = libraries.torchvision_models().regnet
    with torch.device("cpu"):  # torchvision computes the widths with tensors
        params = models.BlockParams.from_init_params(
            depth=17, w_0=192, w_a=76.82, w_m=2.19, group_width=56, se_ratio=0.25
        )
    return models.RegNet(params), (torch.randn(1, 3, 224, 224),), {}


def _segmentation(name: str) -> Sample:
    return _torchvision(name, 520, weights_backbone=None)


def hf(model: str, config: str, **options: Any) -> Any:
    """A model of `transformers` with random weights."""
    package = libraries.transformers()
    return getattr(package, model)(getattr(package, config)(**options))


def _text(family: str, task: str, options: dict[str, Any]) -> Sample:
    return hf(f"{family}{task}", f"{family}Config", **options), (), {"input_ids": tokens()}


def _seq2seq(family: str, **options: Any) -> Sample:
    model = hf(f"{family}ForConditionalGeneration", f"{family}Config", **options)
    return model, (), {"input_ids": tokens(), "decoder_input_ids": tokens()}


def _t5_base() -> Sample:
    return _seq2seq("T5", vocab_size=32128, d_model=768, d_kv=64, d_ff=3072, num_layers=12,
                    num_heads=12)  # fmt: skip


def _bart_large() -> Sample:
    return _seq2seq("Bart", vocab_size=50265, d_model=1024, encoder_layers=12, decoder_layers=12,
                    encoder_attention_heads=16, decoder_attention_heads=16, encoder_ffn_dim=4096,
                    decoder_ffn_dim=4096)  # fmt: skip


def _whisper_small() -> Sample:
    model = hf("WhisperForConditionalGeneration", "WhisperConfig", vocab_size=51865,
               d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12,
               decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072)  # fmt: skip
    sound = torch.randn(1, 80, 3000)
    return model, (), {"input_features": sound, "decoder_input_ids": tokens()}


def _wav2vec2_base() -> Sample:
    second = torch.randn(1, 16000)
    return hf("Wav2Vec2ForCTC", "Wav2Vec2Config", vocab_size=32), (), {"input_values": second}


def _clip_vit_base() -> Sample:
    model = hf("CLIPModel", "CLIPConfig", text_config={"hidden_size": 512},
               vision_config={"hidden_size": 768, "patch_size": 32})  # fmt: skip
    image = torch.randn(1, 3, 224, 224)
    return model, (), {"input_ids": tokens(), "pixel_values": image}


def _image(model: str, config: str, size: int, **options: Any) -> Sample:
    return hf(model, config, **options), (), {"pixel_values": torch.randn(1, 3, size, size)}


def _vit_large() -> Sample:
    return _image("ViTForImageClassification", "ViTConfig", 224, hidden_size=1024,
                  num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
                  num_labels=1000)  # fmt: skip


def _dinov2_base() -> Sample:
    return _image("Dinov2Model", "Dinov2Config", 518, hidden_size=768, num_hidden_layers=12,
                  num_attention_heads=12, image_size=518, patch_size=14)  # fmt: skip


def _segformer_b0() -> Sample:
    return _image("SegformerForSemanticSegmentation", "SegformerConfig", 512, num_labels=150)


def _diffusers() -> Any:
    libraries.transformers()  # declares what torchvision, which diffusers imports, needs
    import diffusers

    return diffusers


def _sd15_unet() -> Sample:
    model = _diffusers().UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    noisy, text = torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
    return model, (noisy, torch.zeros(1, dtype=torch.int64), text), {}


def _sd15_vae() -> Sample:
    model = _diffusers().AutoencoderKL(
        sample_size=512, block_out_channels=(128, 256, 512, 512), layers_per_block=2,
        latent_channels=4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    return model, (torch.randn(1, 3, 512, 512),), {}


_VISION: dict[str, Build] = {
    **{
        name: partial(_torchvision, name)
        for name in (
            "resnet18", "resnet50", "resnet152", "vgg16", "densenet121", "mobilenet_v2",
            "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "swin_t", "vit_b_16",
             "squeezenet1_0",
        )
    },
    "regnet_y_8gf": _regnet_y_8gf,
    "inception_v3": partial(_torchvision, "inception_v3", 299, init_weights=False),
    "googlenet": partial(_torchvision, "googlenet", init_weights=False),
    "deeplabv3_resnet50": partial(_segmentation, "deeplabv3_resnet50"),
    "fcn_resnet50": partial(_segmentation, "fcn_resnet50"),
}  # fmt: skip

PUBLISHED: dict[str, Build] = {
    **_VISION,
    **{name: partial(_text, *entry) for name, entry in ENCODERS.items()},
    **{name: partial(_text, *entry) for name, entry in CAUSAL.items()},
    "t5-base": _t5_base,
    "bart-large": _bart_large,
    "whisper-small": _whisper_small,
    "wav2vec2-base": _wav2vec2_base,
    "clip-vit-base-patch32": _clip_vit_base,
    "vit-large-patch16": _vit_large,
    "dinov2-base": _dinov2_base,
    "segformer-b0": _segformer_b0,
    "sd15-unet": _sd15_unet,
    "sd15-vae": _sd15_vae,
}

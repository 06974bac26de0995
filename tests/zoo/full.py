"""Models at their published sizes, for structure, coverage and speed. Not part of `CASES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo import libraries
from tests.zoo.case import Sample


@dataclass(frozen=True)
class FullSize:
    """A published model.

    parameters: trainable parameters, tied ones once, as published.
    tied: elements that lie on two edges.
    """

    name: str
    build: Callable[[], Sample]
    parameters: int
    tied: int = 0

    def make(self, device: str = "meta") -> Sample:
        """Build model and inputs on `device`; on the meta device no memory is used."""
        with torch.device(device):
            model, args, kwargs = self.build()
        return model.eval(), args, kwargs


def _resnet50() -> Sample:
    return libraries.torchvision_models().resnet50(), (torch.randn(1, 3, 224, 224),), {}


def _vit_b16() -> Sample:
    return libraries.torchvision_models().vit_b_16(), (torch.randn(1, 3, 224, 224),), {}


def _gpt2() -> Sample:
    package = libraries.transformers()
    model = package.GPT2LMHeadModel(package.GPT2Config())
    return model, (), {"input_ids": torch.zeros(1, 16, dtype=torch.int64)}


def llama3_70b(layers: int = 80) -> Sample:
    """Llama-3-70B; build it under `torch.device("meta")`."""
    package = libraries.transformers()
    config = package.LlamaConfig(
        vocab_size=128256, hidden_size=8192, intermediate_size=28672, num_hidden_layers=layers,
        num_attention_heads=64, num_key_value_heads=8, max_position_embeddings=8192,
        rms_norm_eps=1e-5, bos_token_id=128000, eos_token_id=128001,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
    )  # fmt: skip
    ids = torch.zeros(1, 16, dtype=torch.int64)
    return package.LlamaForCausalLM(config), (), {"input_ids": ids}


FULL_SIZE: dict[str, FullSize] = {
    model.name: model
    for model in (
        FullSize("resnet50", _resnet50, 25_557_032),
        FullSize("vit-b16", _vit_b16, 86_567_656),
        FullSize("gpt2", _gpt2, 124_439_808, tied=50257 * 768),
    )
}


def distinct_values(model: nn.Module) -> dict[str, Tensor]:
    """A state_dict for `model` (which may be on the meta device): every element another pattern.

    Tied entries share one tensor.
    """
    made: dict[Any, Tensor] = {}
    out: dict[str, Tensor] = {}
    start = 1
    for name, old in model.state_dict(keep_vars=True).items():
        key = id(old)
        if key not in made:
            bits = torch.arange(start, start + old.numel(), dtype=torch.int64, device="cpu")
            start += old.numel()
            if old.dtype == torch.float32:
                # As bit patterns these integers are tiny but distinct floats, none of them NaN.
                bits = bits.to(torch.int32).view(torch.float32)
            made[key] = bits.to(old.dtype).reshape(old.shape)
        out[name] = made[key]
    return out

"""Guess example inputs from what a model says about itself: its library's conventions first."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

BATCH = 2
LENGTH = 16


@dataclass(frozen=True)
class Guess:
    """Inputs to try, and where they come from.

    sure: they come from the model's own words, so a failure on fake tensors is not believed.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    how: str = ""
    sure: bool = False


def guesses(model: nn.Module) -> Iterator[Guess]:
    """Guesses in the order in which they should be tried."""
    from gmn_fx.capture.guess_layers import layer_guesses

    yield from _no_inputs(model)
    yield from _hugging_face(model)
    yield from _image_library(model)
    yield from layer_guesses(model)


def make(
    model: nn.Module,
    shape: tuple[int, ...],
    dtype: torch.dtype | None = None,
    *,
    name: str = "",
    high: int | None = None,
) -> torch.Tensor:
    """A deterministic input tensor in the model's dtype and on its device.

    Integers are valid token ids of every embedding of the model; masks are all ones.
    """
    dtype = dtype or model_dtype(model)
    device = model_device(model)
    count = torch.Size(shape).numel()
    if device.type == "meta":
        return torch.empty(shape, dtype=dtype, device="meta")
    if dtype is torch.bool or "mask" in name:
        return torch.ones(shape, dtype=dtype, device=device)
    if not (dtype.is_floating_point or dtype.is_complex):
        top = high or _vocabulary(model)
        # the upper half stays clear of padding and other special tokens
        values = top // 2 + torch.arange(count) * 7 % max(top - top // 2, 1)
        return values.reshape(shape).to(dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    wide = torch.complex64 if dtype.is_complex else torch.float32
    return torch.randn(shape, generator=generator, dtype=wide).to(dtype=dtype, device=device)


def model_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the first floating-point parameter or buffer."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point() or tensor.is_complex():
            return tensor.dtype
    return torch.get_default_dtype()


def model_device(model: nn.Module) -> torch.device:
    """The device of the model's first tensor."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def required_arguments(model: nn.Module) -> list[str]:
    """Names of the arguments of `forward` that have no default."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return ["x"]
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    if not names and any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return ["x"]
    return names


def _vocabulary(model: nn.Module) -> int:
    sizes = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
    return max(min(sizes, default=2), 1)


def _no_inputs(model: nn.Module) -> Iterator[Guess]:
    try:
        if not inspect.signature(model.forward).parameters:
            yield Guess((), {}, "a forward without arguments")
    except (TypeError, ValueError):
        return


def _hugging_face(model: nn.Module) -> Iterator[Guess]:
    """Inputs by `main_input_name` and the config, then the library's own `dummy_inputs`."""
    config = getattr(model, "config", None)
    name = getattr(model, "main_input_name", None)
    if config is None or not isinstance(name, str):
        return
    accepted = set(inspect.signature(model.forward).parameters)
    for kwargs in _by_config(model, config, name, accepted):
        yield Guess((), kwargs, f"the Hugging Face config ({', '.join(kwargs)})", True)
    dummy = getattr(model, "dummy_inputs", None)
    if isinstance(dummy, dict):
        device = model_device(model)
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in dummy.items()}
        yield Guess((), moved, "Hugging Face dummy_inputs", True)


def _by_config(
    model: nn.Module, config: Any, name: str, accepted: set[str]
) -> Iterator[dict[str, Any]]:
    text = getattr(config, "text_config", config)
    base: dict[str, Any] = {}
    if name == "input_ids" or ("input_ids" in accepted and hasattr(config, "text_config")):
        base["input_ids"] = _tokens(model, text)
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in accepted:
        base["decoder_input_ids"] = _tokens(model, text, LENGTH // 2)
    if name in ("input_features", "input_values"):
        base[name] = make(model, _audio_shape(config, name))
    two_towers = "pixel_values" in accepted and _vision(config) is not config
    if name != "pixel_values" and not two_towers:
        yield base
        return
    for shape in _image_shapes(_vision(config)):
        yield {**base, "pixel_values": make(model, shape)}


def _tokens(model: nn.Module, config: Any, length: int = LENGTH) -> torch.Tensor:
    limit = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if isinstance(limit, int) and limit > 4:
        length = min(length, limit - 2)  # RoBERTa-like models keep two positions for themselves
    vocabulary = getattr(config, "vocab_size", None) or _vocabulary(model)
    return make(model, (BATCH, length), torch.int64, high=vocabulary)


def _vision(config: Any) -> Any:
    return getattr(config, "vision_config", config)


def _image_shapes(config: Any) -> Iterator[tuple[int, ...]]:
    named = getattr(config, "num_channels", None) or getattr(config, "in_channels", None)
    channels = int(named or 3)
    size = getattr(config, "image_size", None)
    fixed = [size] if size else []
    for side in (*fixed, 64, 224, 384, 512):
        sides = (side, side) if isinstance(side, int) else tuple(side)[:2]
        yield (BATCH, channels, *sides)


def _audio_shape(config: Any, name: str) -> tuple[int, ...]:
    if name == "input_values":
        return BATCH, 4000
    bins = getattr(config, "num_mel_bins", 80)
    return BATCH, bins, 2 * getattr(config, "max_source_positions", 1500)


def _image_library(model: nn.Module) -> Iterator[Guess]:
    """Models of timm carry their default size; those of torchvision are made for one size."""
    home = type(model).__module__
    if home.startswith("torchvision.models"):
        shape = (BATCH, 3, 16, 112, 112) if "video" in home else (BATCH, 3, 224, 224)
        yield Guess((make(model, shape),), {}, "the default size of torchvision", True)
    for attribute in ("pretrained_cfg", "default_cfg"):
        config = getattr(model, attribute, None)
        size = config.get("input_size") if isinstance(config, dict) else None
        if size:
            shape = (BATCH, *size)
            yield Guess((make(model, shape),), {}, f"timm {attribute} (input size {tuple(size)})")
            return

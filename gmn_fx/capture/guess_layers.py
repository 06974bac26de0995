"""Guess example inputs from the first layers of a model, over a ladder of sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from gmn_fx.capture.guess import BATCH, LENGTH, Guess, make, required_arguments

# Sizes that people use, most frequent first; then every small one, for nets that flatten.
_IMAGE_SIDES = (64, 32, 28, 224, 16, 8, 96, 128, 48, 256, 299)
_SIDES = (*_IMAGE_SIDES, *(s for s in range(1, 65) if s not in _IMAGE_SIDES), 384, 512)
_LENGTHS = (64, 32, 16, 128, 100, 256, 512, 1000, 1024, 4096, 16000)
_SIDES_3D = (16, 8, 32, 4, 24, 64, *(s for s in range(2, 24) if s not in (16, 8, 4)))
_FIRST_LAYERS = 5
_MOST_ARGUMENTS = 4

_Shape = tuple[tuple[int, ...], torch.dtype | None, int | None]


def layer_guesses(model: nn.Module) -> Iterator[Guess]:
    """Guesses from the layers in the order in which they are registered."""
    names = required_arguments(model) or ["x"]
    if len(names) > _MOST_ARGUMENTS:
        return
    shapes = list(_candidates(model))
    for shape, how in shapes:
        yield _guess(model, [shape] * len(names), names, how)
    if len(names) > 1:
        short = list({repr(s): (s, how) for s, how in shapes}.values())[:12]
        for picks in itertools.product(short, repeat=len(names)):
            how = " and ".join(dict.fromkeys(how for _, how in picks))
            yield _guess(model, [s for s, _ in picks], names, how)


def _guess(model: nn.Module, shapes: list[_Shape], names: list[str], how: str) -> Guess:
    tensors = tuple(
        make(model, shape, dtype, name=name, high=high)
        for (shape, dtype, high), name in zip(shapes, names, strict=True)
    )
    return Guess(tensors, {}, how)


def _candidates(model: nn.Module) -> Iterator[tuple[_Shape, str]]:
    """(shape, where it comes from), the first layers taking turns would only slow this down."""
    found = 0
    for path, module in model.named_modules():
        shapes = list(_layer_shapes(module))
        if not shapes:
            continue
        for shape in shapes:
            yield shape, f"layer {path or '(root)'}: {_short(module)}"
        found += 1
        if found == _FIRST_LAYERS:
            return
    if not found:
        for name, parameter in itertools.islice(model.named_parameters(), 2):
            for size in dict.fromkeys(reversed(parameter.shape)):
                yield ((BATCH, size), None, None), f"parameter {name}"
        yield ((BATCH, LENGTH), None, None), "nothing but a default"


def _short(module: nn.Module) -> str:
    inner = module.extra_repr()
    return f"{type(module).__name__}({inner})" if len(inner) < 60 else type(module).__name__


def _layer_shapes(module: nn.Module) -> Iterator[_Shape]:
    """Input shapes that a layer could stand behind."""
    if isinstance(module, nn.Embedding):
        yield (BATCH, LENGTH), torch.int64, module.num_embeddings
        yield (BATCH,), torch.int64, module.num_embeddings
    elif isinstance(module, nn.EmbeddingBag):
        yield (BATCH, LENGTH), torch.int64, module.num_embeddings
    elif isinstance(module, nn.modules.conv._ConvNd):
        yield from _grids(module.in_channels, len(module.kernel_size))
    elif isinstance(module, nn.RNNBase):
        yield (BATCH, LENGTH, module.input_size), None, None
    elif isinstance(module, nn.RNNCellBase):
        yield (BATCH, module.input_size), None, None
    elif isinstance(module, nn.MultiheadAttention):
        yield (BATCH, LENGTH, module.embed_dim), None, None
    elif isinstance(module, nn.Linear) and module.in_features:
        yield from _features(module.in_features)
    elif isinstance(module, nn.Bilinear):
        yield (BATCH, module.in1_features), None, None
        yield (BATCH, module.in2_features), None, None
    else:
        yield from _norm_shapes(module)


def _norm_shapes(module: Any) -> Iterator[_Shape]:
    if isinstance(module, nn.modules.batchnorm._NormBase):
        yield (BATCH, module.num_features), None, None
        for rank in (2, 1, 3):
            yield (BATCH, module.num_features, *(8,) * rank), None, None
    elif isinstance(module, nn.GroupNorm):
        yield (BATCH, module.num_channels, 8, 8), None, None
        yield (BATCH, module.num_channels), None, None
    elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        yield (BATCH, LENGTH, *module.normalized_shape), None, None
        yield (BATCH, *module.normalized_shape), None, None


def _grids(channels: int, rank: int) -> Iterator[_Shape]:
    """`[batch, channels, side, ...]`, over the ladder of sides."""
    sides = {1: (*_LENGTHS, *_SIDES), 2: _SIDES, 3: _SIDES_3D}[rank]
    for side in sides:
        yield (BATCH, channels, *(side,) * rank), None, None


def _features(size: int) -> Iterator[_Shape]:
    """A vector, a sequence of vectors, or an image that flattens to `size`."""
    yield (BATCH, size), None, None
    yield (BATCH, LENGTH, size), None, None
    for channels in (1, 3):
        side = round((size / channels) ** 0.5)
        if side > 1 and channels * side * side == size:
            yield (BATCH, channels, side, side), None, None
    yield (BATCH, size, LENGTH), None, None
    yield (BATCH, 8, 8, size), None, None
    yield (size,), None, None

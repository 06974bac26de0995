"""Random, non-degenerate values for every slot: a fresh norm has gain 1 and hides mistakes."""

from __future__ import annotations

import math

import torch

from gmn_fx.graph.model import Slot

_POSITIVE = ("running_var", "moving_var", "variance")
_CENTRES = ("running_mean", "moving_mean")
_GAINS = ("weight", "gamma", "scale", "gain", "original0", "weight_g")


def random_values(
    slot: Slot, original: torch.Tensor, generator: torch.Generator, *, scale: float = 1.0
) -> torch.Tensor:
    """Values for `slot` around the size that an initialisation would have.

    Matrices get a deviation of `scale / sqrt(fan in)` so that activations neither vanish nor
    saturate; gains and running variances lie in [0.5, 1.5]; biases are never 0. Integer tensors
    and buffers with infinities (masks) are left alone.

    Args:
        slot: which entry.
        original: its present values in float64 or complex128 (shape and rough size are used).
        generator: source of the numbers.
        scale: shrinks matrices when outputs overflow.
    """
    if not slot.dtype.is_floating_point and not slot.dtype.is_complex:
        return original.clone()
    if not original.numel() or not bool(torch.isfinite(original).all()):
        return original.clone()
    if slot.dtype.is_complex:
        spread = scale / math.sqrt(2 * _fan_in(original))
        parts = torch.randn((2, *original.shape), generator=generator, dtype=torch.float64)
        return torch.complex(parts[0], parts[1]) * spread
    uniform = 0.5 + torch.rand(original.shape, generator=generator, dtype=torch.float64)
    normal = torch.randn(original.shape, generator=generator, dtype=torch.float64)
    last = slot.name.rsplit(".", 1)[-1]
    if last.endswith(_POSITIVE):
        return uniform
    if last.endswith(_CENTRES):
        return 0.5 * normal
    if _is_unit(slot, original):
        return normal / normal.norm()
    if _is_vector(original):
        size = float(original.abs().mean())
        if last.endswith(_GAINS) or size > 0.5:
            return uniform * (size if size > 0.5 else 1.0) * (-1.0 if _negative(original) else 1.0)
        return 0.3 * normal
    if not slot.trainable and bool((original > 0).all()):
        return uniform * float(original.mean())
    return normal * (scale / math.sqrt(_fan_in(original)))


def _is_unit(slot: Slot, original: torch.Tensor) -> bool:
    """Singular vectors of a spectral norm: buffers of length 1."""
    is_buffer = not slot.trainable and original.dim() == 1 and original.numel() > 1
    return is_buffer and abs(float(original.norm()) - 1) < 1e-3


def _is_vector(original: torch.Tensor) -> bool:
    """Whether at most one axis is longer than 1: a bias, a gain, a layer scale."""
    return sum(n > 1 for n in original.shape) <= 1


def _negative(original: torch.Tensor) -> bool:
    return bool((original < 0).all())


def _fan_in(original: torch.Tensor) -> int:
    """Elements that add up to one output, by the layout of `nn.Linear` and `nn.Conv2d`."""
    return max(1, original.numel() // max(1, original.shape[0] if original.dim() else 1))

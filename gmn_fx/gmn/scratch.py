"""Memory of the sweeps: large pieces that outlive a sweep, small ones that are used again.

A fresh tensor costs a page fault every 4 kB, which is more than the arithmetic on it. What a block
needs for a moment is therefore taken from one buffer a purpose, and what is kept for backward from
one tensor a layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# numpy asks the kernel for huge pages from this size on; torch does not.
_HUGE = 2**22


def room(rows: int, width: int, like: Tensor) -> Tensor:
    """An uninitialised tensor [rows, width] of the dtype and device of `like`."""
    size = rows * width * like.element_size()
    if like.device.type == "cpu" and size >= _HUGE and like.dtype in (torch.float32, torch.float64):
        kind = np.float32 if like.dtype == torch.float32 else np.float64
        return torch.from_numpy(np.empty((rows, width), kind))
    return like.new_empty(rows, width)


class Scratch:
    """Buffers by purpose, each as large as its largest use so far."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._held: dict[object, Tensor] = {}

    def get(self, purpose: object, shape: Sequence[int]) -> Tensor:
        """Uninitialised, contiguous; valid until the next call with this purpose."""
        size = math.prod(shape)
        held = self._held.get(purpose)
        if held is None or held.numel() < size:
            held = self._held[purpose] = self._like.new_empty(size)
        return held[:size].view(*shape)

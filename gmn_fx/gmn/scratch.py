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

# From so many numbers on numpy is asked: it takes huge pages where they are worth it, and its
# memory fits into the hole that an equal one left (that of torch, which is aligned, does not).
_LARGE = 2**14
_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def room(rows: int, width: int, like: Tensor) -> Tensor:
    """An uninitialised tensor [rows, width] of the dtype and device of `like`."""
    kind = _NUMPY.get(like.dtype)
    if kind is not None and like.device.type == "cpu" and rows * width >= _LARGE:
        return torch.from_numpy(np.empty((rows, width), kind))
    return like.new_empty(rows, width)


class Scratch:
    """Buffers by purpose, each as large as its largest use so far.

    least: number of elements that a buffer has at least. Buffers that grow leave holes behind.
    """

    def __init__(self, like: Tensor, least: int) -> None:
        self._like, self._least = like, least
        self._held: dict[object, Tensor] = {}

    def get(self, purpose: object, shape: Sequence[int]) -> Tensor:
        """Uninitialised, contiguous; valid until the next call with this purpose."""
        size = math.prod(shape)
        held = self._held.get(purpose)
        if held is None or held.numel() < size:
            held = self._held[purpose] = self._like.new_empty(max(size, self._least))
        return held[:size].view(*shape)

    def clear(self) -> None:
        """Give the buffers back; the next `get` makes new ones."""
        self._held.clear()

"""Broadcast integer expressions: bundles name nodes, slots and labels by them in O(1) memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class IndexMap:
    """An integer tensor given by a formula.

    Element at multi-index i is `k = offset + sum(strides * i)`, or `table[k]` when there is a
    table (1-D int64/int32). Stride 0 is an axis along which nothing varies.
    """

    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]
    table: npt.NDArray[np.integer] | None = None

    @staticmethod
    def constant(value: int, shape: Sequence[int] = ()) -> IndexMap:
        """The same `value` everywhere."""
        return IndexMap(tuple(shape), int(value), (0,) * len(shape))

    @staticmethod
    def arange(size: int, start: int = 0) -> IndexMap:
        """`start, start + 1, ...`; shape `(size,)`."""
        return IndexMap((size,), start, (1,))

    @staticmethod
    def from_array(array: npt.NDArray[np.integer]) -> IndexMap:
        """The smallest map equal to `array`: constant axes get stride 0, affine ones no table."""
        array = np.asarray(array)
        shape = array.shape
        if array.size == 0:
            return IndexMap(shape, 0, (0,) * len(shape))
        return _affine_or_table(shape, np.asarray(cut_constant(array), order="C"))

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Memory that this map owns, in bytes."""
        return 64 + (0 if self.table is None else int(self.table.nbytes))

    def core(self) -> npt.NDArray[np.integer]:
        """`compact()` in the integer type that the map has; a view of the table where it can be."""
        if 0 in self.shape:
            return np.empty(self.shape, dtype=np.int64)
        cut = tuple(n if s else 1 for n, s in zip(self.shape, self.strides, strict=True))
        if self.table is not None and self.strides == dense_strides(cut):
            return self.table[self.offset : self.offset + math.prod(cut)].reshape(cut)
        out = np.array(self.offset, dtype=np.int64).reshape((1,) * len(self.shape))
        for axis, (n, s) in enumerate(zip(cut, self.strides, strict=True)):
            if n > 1:
                ramp = np.arange(n, dtype=np.int64) * s
                out = out + ramp.reshape((n,) + (1,) * (len(self.shape) - axis - 1))
        return out if self.table is None else self.table[out]

    def compact(self) -> Array:
        """The tensor with every stride-0 axis cut to size 1: all values, none of the repetition."""
        return self.core().astype(np.int64, copy=False)

    def array(self) -> Array:
        """The tensor itself, int64; stride-0 axes stay stride 0 (read-only, do not write)."""
        return np.broadcast_to(self.compact(), self.shape)

    def expand(self, shape: Sequence[int]) -> IndexMap:
        """Broadcast to `shape` by the rules of numpy."""
        shape = tuple(shape)
        lead = len(shape) - len(self.shape)
        if lead < 0:
            raise ValueError(f"cannot expand {self.shape} to {shape}")
        strides = [0] * lead
        for have, want, s in zip(self.shape, shape[lead:], self.strides, strict=True):
            if have not in (1, want):
                raise ValueError(f"cannot expand {self.shape} to {shape}")
            strides.append(s if have == want and want > 1 else 0)
        return IndexMap(shape, self.offset, tuple(strides), self.table)

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value (0, -1 when empty)."""
        if self.size == 0:
            return 0, -1
        if self.table is not None:
            values = self.compact()
            return int(values.min()), int(values.max())
        reach = [s * (n - 1) for n, s in zip(self.shape, self.strides, strict=True)]
        low = self.offset + sum(r for r in reach if r < 0)
        return low, self.offset + sum(r for r in reach if r > 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IndexMap) or self.shape != other.shape:
            return False
        if self.table is None and other.table is None and self.strides == other.strides:
            return self.offset == other.offset
        if 0 in self.shape:
            return True
        return bool(np.all(self.compact() == other.compact()))

    def __hash__(self) -> int:
        return hash((self.shape, self.bounds()))


def cut_constant(array: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """`array` (not empty) with size 1 along every axis along which it is constant (a view)."""
    core = array[tuple(slice(0, 1) if t == 0 else slice(None) for t in array.strides)]
    for axis in range(array.ndim):
        first = core[(slice(None),) * axis + (slice(0, 1),)]
        if core.shape[axis] > 1 and bool(np.all(core == first)):
            core = first
    return core


def distinct(values: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """The values that occur, ascending: `np.unique`, whose hash table is slow where few repeat."""
    ordered = np.sort(values, axis=None)
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def _affine_or_table(shape: tuple[int, ...], core: npt.NDArray[np.integer]) -> IndexMap:
    """`core` has size 1 on constant axes; find strides that explain it, else keep it as a table."""
    origin = int(core.flat[0])
    strides = []
    for axis, n in enumerate(core.shape):
        index = [0] * core.ndim
        if n > 1:
            index[axis] = 1
        strides.append(int(core[tuple(index)]) - origin if n > 1 else 0)
    guess = IndexMap(core.shape, origin, tuple(strides))
    if np.array_equal(guess.array(), core):
        return IndexMap(shape, origin, tuple(strides))
    table = core.reshape(-1)
    fits = int(table.min()) >= -(2**31) and int(table.max()) < 2**31
    small: npt.NDArray[np.integer] = table.astype(np.int32 if fits else np.int64)
    return IndexMap(shape, 0, dense_strides(core.shape), small)


def dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides, 0 on axes of size 1."""
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(range(len(shape))):
        if shape[axis] > 1:
            strides[axis] = step
            step *= shape[axis]
    return tuple(strides)

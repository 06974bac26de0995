"""Tensors with stride-0 axes: the book-keeping of "does not vary along this axis"."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def core(t: Tensor) -> Tensor:
    """`t` with every stride-0 axis cut to size 1 (a view)."""
    for axis, (n, s) in enumerate(zip(t.shape, t.stride(), strict=True)):
        if n > 1 and s == 0:
            t = t.narrow(axis, 0, 1)
    return t


def compress(t: Tensor) -> Tensor:
    """Equal to `t`, with stride 0 along every axis along which it is constant."""
    if t.numel() == 0:
        return t
    small = core(t)
    for axis in range(t.dim()):
        if small.shape[axis] > 1:
            first = small.narrow(axis, 0, 1)
            if bool((small == first).all()):
                small = first
    return small.expand(t.shape)


def varying(t: Tensor) -> frozenset[int]:
    """Axes along which `t` varies (size above 1 and stride not 0)."""
    return frozenset(
        a for a, (n, s) in enumerate(zip(t.shape, t.stride(), strict=True)) if n > 1 and s != 0
    )


def cut(t: Tensor, keep: Iterable[int]) -> Tensor:
    """Index 0 along every axis not in `keep`, which stays with size 1."""
    wanted = set(keep)
    for axis in range(t.dim()):
        if axis not in wanted and t.shape[axis] > 1:
            t = t.narrow(axis, 0, 1)
    return t


def freeze(t: Tensor, keep: Iterable[int]) -> Tensor:
    """`t` made constant along every axis not in `keep`; same shape."""
    return cut(t, keep).expand(t.shape)


def broadcast(t: Tensor, shape: Iterable[int]) -> Tensor:
    """Numpy broadcasting without memory."""
    return t.expand(tuple(shape))


def full(value: int, shape: Iterable[int]) -> Tensor:
    """A constant int64 tensor of one element, expanded."""
    return torch.tensor(value, dtype=torch.int64).expand(tuple(shape))


def to_numpy(t: Tensor) -> np.ndarray:
    """The same memory as a numpy array (stride 0 kept)."""
    return t.numpy()


def rank_first_seen(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number equal values in order of first appearance.

    Returns (inverse, first): `inverse[i]` is the class of `keys[i]`, `first[c]` the first index
    of class c. `keys` is 1-D.
    """
    n = len(keys)
    ordered = keys.dtype.kind != "V"  # raw bytes can be told apart but not compared
    if n == 0 or (ordered and bool((keys[1:] > keys[:-1]).all())):  # already distinct and sorted
        identity = np.arange(n, dtype=np.int64)
        return identity, identity
    _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(index, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(-1)].astype(np.int64), index[order].astype(np.int64)


def rank_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`rank_first_seen` for the rows of a 2-D integer array."""
    if rows.shape[0] < 2 or rows.shape[1] == 0:
        zeros = np.zeros(rows.shape[0], dtype=np.int64)
        return zeros, zeros[:1]
    wide = np.ascontiguousarray(rows)
    return rank_first_seen(
        wide.view(np.dtype((np.void, wide.itemsize * wide.shape[1]))).reshape(-1)
    )


def combine_keys(columns: list[np.ndarray]) -> np.ndarray:
    """One int64 key per row of equal-length integer columns; equal rows, equal keys."""
    key = columns[0].astype(np.int64)
    for column in columns[1:]:
        if column.size == 0 or (column[0] == column[-1] and bool((column == column[0]).all())):
            continue
        key, keys = _from_zero(key)
        code, codes = _from_zero(column.astype(np.int64, copy=False))
        if keys * codes >= 2**62:  # numbering what occurs takes a sort
            _, key = np.unique(key, return_inverse=True)
            values, code = np.unique(code, return_inverse=True)
            codes = len(values)
        key = key * codes + code
    return key


def _from_zero(column: np.ndarray) -> tuple[np.ndarray, int]:
    """`column` without its smallest value, and how many values there may be."""
    low = int(column.min())
    return column - low, int(column.max()) - low + 1

"""How much two tensors of one shape differ: in pieces that stay in cache, never all at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Elements of one piece.
PIECE = 1 << 18
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}
# Sums of squares of float32 outside of this are taken again in float64.
_SMALLEST, _LARGEST = 1e-25, 1e30


@dataclass(frozen=True)
class Difference:
    """How b differs from a, over `elements` elements.

    changed: elements whose bits differ; of two dtypes, elements whose values differ.
    relative: ||b - a|| / ||a|| over what is finite in both; inf where a is zero and b is not.
    largest: |b - a| where it is largest (the first of those that float32 rounds alike), inf where
    a differing element is nan or inf. place: flat position of that element, -1 where nothing
    differs. before, after: that element in a and in b.
    not_finite: differing elements that are nan or inf in a or in b.
    """

    elements: int
    changed: int = 0
    relative: float = 0.0
    largest: float = 0.0
    place: int = -1
    before: complex = 0.0
    after: complex = 0.0
    not_finite: int = 0


def measure(a: Tensor, b: Tensor) -> Difference:
    """Compare two tensors of one shape, of any dtypes, on any devices, of any layout in memory."""
    a, b = a.detach(), b.detach()
    if a.dtype == b.dtype and _equal(a, b):
        return Difference(a.numel())
    total = _Total()
    for start, x, y in _pieces(a, b):
        total.add(start, x, y.to(x.device))
    return total.result(a.numel())


def minus(two: Tensor, one: Tensor) -> Tensor:
    """`two - one`, wide enough for both; equal elements give 0, infinite ones and nan too."""
    wide = torch.complex128 if one.is_complex() or two.is_complex() else torch.float64
    left, right = one.detach().to("cpu", wide), two.detach().to("cpu", wide)
    equal = (left == right) | (left.isnan() & right.isnan())
    return torch.where(equal, torch.zeros((), dtype=wide), right - left)


def _equal(a: Tensor, b: Tensor) -> bool:
    """Bit for bit."""
    if a.data_ptr() == b.data_ptr() and a.stride() == b.stride() and a.device == b.device:
        return a.is_conj() == b.is_conj() and a.is_neg() == b.is_neg()
    return all(torch.equal(_bits(x), _bits(y.to(x.device))) for _, x, y in _pieces(a, b))


def _bits(flat: Tensor) -> Tensor:
    """The elements of a flat tensor as integers (two for each where they are 16 bytes)."""
    return flat.resolve_conj().resolve_neg().view(_BITS[flat.element_size()])


def _pieces(a: Tensor, b: Tensor, start: int = 0) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(flat position, piece of a, piece of b) in row-major order, each flat and contiguous."""
    if a.numel() <= PIECE:
        if a.numel():
            yield start, a.reshape(-1).contiguous(), b.reshape(-1).contiguous()
        return
    if a.is_contiguous() and b.is_contiguous():
        a, b = a.reshape(-1), b.reshape(-1)
    inner = a.numel() // a.shape[0]
    step = max(1, PIECE // inner)
    for low in range(0, a.shape[0], step):
        # A single row that is still too large is cut along its own axes.
        rows = (a[low], b[low]) if step == 1 else (a[low : low + step], b[low : low + step])
        yield from _pieces(*rows, start + low * inner)


class _Total:
    """Sums over pieces."""

    def __init__(self) -> None:
        self.changed = self.not_finite = 0
        self.delta = self.norm = self.largest = 0.0
        self.place = -1
        self.before: complex = 0.0
        self.after: complex = 0.0

    def add(self, start: int, x: Tensor, y: Tensor) -> None:
        """One piece: quickly in float32 where nothing can overflow, else with care in float64."""
        differs = _differs(x, y)
        times = int(differs.count_nonzero())
        self.changed += times
        narrow = x.dtype.is_floating_point and y.dtype.is_floating_point
        if narrow and max(x.element_size(), y.element_size()) <= 4 and self._quick(start, x, y):
            return
        self._careful(start, x, y, differs)

    def _quick(self, start: int, x: Tensor, y: Tensor) -> bool:
        one, two = x.float(), y.float()
        delta = two - one
        # All three, so that the way back takes the way that the way there took.
        change, norm, other = _square(delta), _square(one), _square(two)
        if change is None or norm is None or other is None:
            return False
        self._norms(math.sqrt(change), math.sqrt(norm))
        low, high = delta.aminmax()
        if max(-float(low), float(high)) > self.largest:
            at = int(delta.abs().argmax())
            # float32 found the element; its own two numbers say how large the difference is.
            self._peak(abs(float(two[at]) - float(one[at])), start, at, x, y)
        return True

    def _careful(self, start: int, x: Tensor, y: Tensor, differs: Tensor) -> None:
        wide = torch.complex128 if x.is_complex() or y.is_complex() else torch.float64
        one, two = x.to(wide), y.to(wide)
        finite = one.isfinite() & two.isfinite()
        bad = differs & ~finite
        self.not_finite += int(bad.count_nonzero())
        zero = torch.zeros((), dtype=wide, device=x.device)
        delta = torch.where(finite, two - one, zero).abs()
        self._norms(_norm(delta), _norm(torch.where(finite, one, zero).abs()))
        if bool(bad.any()):
            delta = torch.where(bad, torch.full_like(delta, math.inf), delta)
        at = int(delta.argmax())
        self._peak(float(delta[at]), start, at, x, y)

    def _norms(self, delta: float, norm: float) -> None:
        self.delta = math.hypot(self.delta, delta)
        self.norm = math.hypot(self.norm, norm)

    def _peak(self, size: float, start: int, at: int, x: Tensor, y: Tensor) -> None:
        if size > self.largest:
            self.largest, self.place = size, start + at
            self.before, self.after = x[at].item(), y[at].item()

    def result(self, elements: int) -> Difference:
        ratio = self.delta / self.norm if self.norm else (math.inf if self.delta else 0.0)
        return Difference(
            elements,
            self.changed,
            ratio,
            self.largest,
            self.place,
            self.before,
            self.after,
            self.not_finite,
        )


def _differs(x: Tensor, y: Tensor) -> Tensor:
    """Elementwise: by bits, or by values where the dtypes differ."""
    if x.dtype == y.dtype:
        differs = _bits(x) != _bits(y)
        return differs.reshape(-1, 2).any(1) if x.element_size() == 16 else differs
    wide = torch.complex128 if x.is_complex() or y.is_complex() else torch.float64
    one, two = x.to(wide), y.to(wide)
    return (one != two) & ~(one.isnan() & two.isnan())


def _square(part: Tensor) -> float | None:
    """Sum of squares of float32, None where a square may have left the range."""
    square = float(part.dot(part))
    if square == 0:
        return None if bool(part.any()) else 0.0
    return square if _SMALLEST < square < _LARGEST else None


def _norm(sizes: Tensor) -> float:
    """Euclidean norm of sizes; squares of large or small numbers do not leave the range."""
    top = float(sizes.max())
    return top * float((sizes / top).square().sum()) ** 0.5 if 0 < top < math.inf else top

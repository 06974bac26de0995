"""What flows through a program when it is run on neuron ids instead of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering.axes import broadcast, compress, core, cut, full, varying

_uids = itertools.count()


@dataclass(frozen=True)
class Origin:
    """How a value was moved out of others; replayed on positions when labels are needed.

    along: the axis along which the parents lie side by side, of a concatenation.
    """

    move: Callable[..., Any]
    parents: tuple[Act, ...]
    pick: int | None = None
    along: int | None = None


@dataclass(frozen=True, eq=False)
class Choice:
    """What an index chooses among: the neurons of `source` along `dim`, by `op`.

    alone: whether these are all of its neurons. Of those of a group (the best two of each group)
    the index does not say which group; it is data, and pins them as soon as it is read.
    """

    source: Act
    dim: int
    op: str
    alone: bool = True


@dataclass(frozen=True)
class Order:
    """What sorting an index that names neurons did to a value.

    role: "rows": its rows stand in the order of what the index names, or it is the index that puts
    rows into that order; "inverse": the index that puts them back; "counts": how often each neuron
    is named; "ends": where the rows of each neuron end.
    """

    choice: Choice
    role: str


@dataclass(frozen=True, eq=False)
class Act:
    """An activation.

    factors: int64 id tensors of `shape`, stride 0 along axes on which they do not vary. They vary
        along disjoint axes: an element belongs to one neuron of each factor. No factor: data
        whose axes have not met a parameter yet (a raw input).
    hist: what happened elementwise since those neurons (index into the builder's histories).
    pos: varies along the axes that are *positions* (tokens of a concatenation, rows of a position
        table): along these, and only these, weight sharing may merge the neurons of one value.
    origin: the movement that made it; None = its positions are its own coordinates.
    root: identity of the data, kept by elementwise functions, so that one input gets one group.
    uniform: of a constant that is the same number everywhere, that number.
    choice: of an index that names neurons, which; movement keeps it.
    order: whether its rows were sorted by such an index.
    """

    shape: tuple[int, ...]
    factors: tuple[Tensor, ...]
    hist: Tensor
    pos: Tensor
    origin: Origin | None = None
    root: str = ""
    data: bool = False
    choice: Choice | None = None
    order: Order | None = None
    uniform: str = ""
    uid: int = field(default_factory=lambda: next(_uids))

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def axes(self) -> frozenset[int]:
        """Axes along which some factor varies."""
        return frozenset[int]().union(*(varying(f) for f in self.factors))

    def on(self, axis: int) -> tuple[Tensor, ...]:
        """The factors that vary along `axis` (0 or 1 of them)."""
        return tuple(f for f in self.factors if axis % self.dim in varying(f))

    @property
    def scalars(self) -> tuple[Tensor, ...]:
        """Factors of a single neuron."""
        return tuple(f for f in self.factors if not varying(f))


@dataclass(frozen=True, eq=False)
class Par:
    """A view of parameters that was only moved or mapped elementwise.

    slots: element -> index into the flat parameter vector. Either a tensor on the meta device whose
        storage offset and strides are the formula (`base` is added), or explicit int64.
    zero: where the element is 0 whatever the parameter is (a mask); None: nowhere, or not known.
    """

    shape: tuple[int, ...]
    slots: Tensor
    base: int
    hist: Tensor
    zero: Tensor | None = None

    @property
    def distinct(self) -> bool:
        """Whether no slot of an explicit view stands at several places where the view varies."""
        if self.affine:
            return True
        small = cut(self.slots, varying(self.slots)).reshape(-1)
        return len(torch.unique(small)) == len(small)

    @property
    def affine(self) -> bool:
        """Whether the slots are given by strides alone."""
        return self.slots.device.type == "meta"

    def explicit(self) -> Tensor:
        """The slots as int64, stride-0 axes kept."""
        if not self.affine:
            return self.slots
        small = core(self.slots)
        out = torch.tensor(self.base + small.storage_offset(), dtype=torch.int64)
        for axis, (n, s) in enumerate(zip(small.shape, small.stride(), strict=True)):
            ramp = torch.arange(n, dtype=torch.int64) * (s if n > 1 else 0)
            out = out + ramp.reshape((n,) + (1,) * (small.dim() - axis - 1))
        return out.reshape(small.shape).expand(self.shape)


@dataclass(frozen=True, eq=False)
class Const:
    """A tensor that belongs to the architecture. value None: not known (meta device).

    noise: of a tensor drawn at random, each element for itself, how (`noise.py`). draws: then,
    which draw each element is, stride 0 where it is repeated; None: each its own.
    """

    shape: tuple[int, ...]
    value: Tensor | None
    key: str
    dtype: torch.dtype = torch.float32
    noise: str = ""
    draws: Tensor | None = None

    @property
    def uniform(self) -> str:
        """What it is everywhere, if it is known to be one number, or draws that differ in nothing
        but chance.
        """
        if self.value is None or not self.value.numel():
            return self.noise
        small = compress(self.value.detach())
        return "" if varying(small) else repr(small.reshape(-1)[0].item())


@dataclass(frozen=True, eq=False)
class Selected:
    """One of several values, as an index that names neurons says: what an expert computes.

    options: what the value is where the index names each of its candidates, all of `shape`.
    past: history of the index. whole: makes the value without options, as long as it is rows of
    a table that nothing was done to yet.
    """

    shape: tuple[int, ...]
    options: tuple[Act | Par, ...]
    choice: Choice
    past: int = 0
    whole: Callable[[], Act] | None = None


Value = Act | Par | Const


def blank(shape: tuple[int, ...], root: str, data: bool = True) -> Act:
    """Data without neurons yet."""
    return Act(shape, (), full(0, shape), full(0, shape), None, root, data)


def argument_of(x: Act, names: Mapping[str, str]) -> str:
    """Name of the argument that `x` is, or was moved from; empty where that is not one.

    names: root of an argument -> its name.
    """
    if x.root in names or x.origin is None:
        return names.get(x.root, "")
    found = {argument_of(parent, names) for parent in x.origin.parents}
    return found.pop() if len(found) == 1 else ""


def constant_data(c: Const) -> Act:
    """A constant as data; along an axis along which it is the same its entries are one datum."""
    root = f"constant {c.key}"
    if c.value is None or c.uniform:
        return replace(blank(c.shape, root), uniform=c.uniform)
    own = varying(compress(c.value.detach()))
    alike = {a for a, n in enumerate(c.shape) if n > 1} - own
    return one_entry(blank(c.shape, root), alike) if alike else blank(c.shape, root)


def one_entry(x: Act, axes: set[int]) -> Act:
    """`x`, whose positions are its own coordinates, but the same all along `axes`."""
    small = blank(tuple(1 if a in axes else n for a, n in enumerate(x.shape)), x.root)
    return replace(x, origin=Origin(lambda t: broadcast(t, x.shape), (small,)))

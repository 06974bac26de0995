"""Which operands of an elementwise op meet, and where they lack neurons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import broadcast, core, cut, rank_first_seen, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.tags import positions
from gmn_fx.lowering.values import Act, Par


@dataclass(frozen=True)
class Leg:
    """One factor of one operand, broadcast to the result."""

    owner: int
    factor: Tensor
    hist: Tensor
    label: Tensor | None
    operand: int


@dataclass(frozen=True)
class Spec:
    """What the operation is.

    operands: operand number of each activation, -1 if it commutes. par_owner: the activation whose
    edges carry the parameter (a gain); -1: it comes from a bias node.
    """

    op: str
    operands: tuple[int, ...]
    kind: str = "neuron"
    attr: str = ""
    par_kind: str = "bias"
    par_operand: int = -1
    par_owner: int = -1


def legs_of(b: Builder, owner: int, x: Act, shape: tuple[int, ...], operand: int) -> list[Leg]:
    """The factors of one operand, laid out over the result."""
    lead = len(shape) - x.dim
    out = []
    for f in x.factors:
        label = b.labels(x, f)
        wide = None if label is None else broadcast(label.reshape((1,) * lead + label.shape), shape)
        out.append(Leg(owner, broadcast(f, shape), broadcast(x.hist, shape), wide, operand))
    return out


def real_axes(x: Act, shape: tuple[int, ...]) -> frozenset[int]:
    """Axes of the result along which `x` itself has more than one element."""
    lead = len(shape) - x.dim
    return frozenset(a + lead for a, n in enumerate(x.shape) if n > 1)


def spread(x: Act, axes: Iterable[int]) -> set[int]:
    """Those of `axes` along which `x` holds different data, not one datum repeated by `expand`."""
    found = set() if x.uniform else set(axes)
    if found and x.origin is not None:
        found &= varying(positions(x, {}))
    return found


def with_missing_neurons(
    b: Builder, xs: list[Act], shape: tuple[int, ...], par: Par | None
) -> list[Act]:
    """Data that meets neurons along an axis of its own gets pinned neurons there.

    Not along positions, which are never exchanged: there it makes no difference whose they are.
    """
    slots = varying(broadcast(par.explicit(), shape)) if par is not None else frozenset[int]()
    fields: list[tuple[frozenset[int], Tensor | None]] = [(slots, None)]
    for x in xs:
        places = varying(broadcast(x.pos, shape))
        wide = [broadcast(f, shape) for f in x.factors]
        fields += [(varying(f) - places, f) for f in wide]
    out = []
    for x in xs:
        lead = len(shape) - x.dim
        mine = frozenset(a + lead for a in x.axes)
        for axes, neurons in fields:
            lacking = axes & real_axes(x, shape)
            if lacking and not axes & mine:
                lacking = frozenset(a + lead for a in spread(x, [a - lead for a in lacking]))
            if lacking and not axes & mine and not _same_for_all(x, lacking, neurons, lead):
                x = b.with_pinned(x, sorted(a - lead for a in lacking))
                mine = mine | lacking
        out.append(x)
    return out


def _same_for_all(x: Act, axes: frozenset[int], neurons: Tensor | None, lead: int) -> bool:
    """Whether each of the `neurons` along `axes` (of the result) meets the same data of `x`.

    Heads that are folded into the batch each stand at as many places as there are examples; a mask
    that is repeated for every head has nothing that tells them apart.
    """
    if neurons is None:
        return False
    ids = cut(neurons, axes).reshape(-1).numpy()
    number, first = rank_first_seen(ids)
    counts = np.bincount(number)
    if len(first) == len(ids) or (counts != counts[0]).any():
        return False
    places = np.argsort(number, kind="stable").reshape(len(first), -1)
    tags = core(positions(x, {}))
    own = sorted(a - lead for a in axes)
    shape = [x.shape[a] if a in own else n for a, n in enumerate(tags.shape)]
    rest = [a for a in range(x.dim) if a not in own]
    rows = tags.expand(shape).permute(*own, *rest).reshape(len(ids), -1).numpy()
    return bool((rows[places] == rows[places[:1]]).all())


def share_along_positions(
    b: Builder, xs: list[Act], par: Par, shape: tuple[int, ...]
) -> tuple[list[Act], Par | None]:
    """A slot read at several places: positions merge; features keep a node for the parameter."""
    slots = varying(broadcast(par.explicit(), shape))
    out = []
    for x in xs:
        lead = len(shape) - x.dim
        for f in x.factors:
            spread = [a for a in varying(f) if a + lead not in slots]
            where = varying(x.pos)
            if any(a not in where for a in spread):
                return [*xs, b.as_act(par)], None
            if spread:
                b.merge_along(f, spread)
        out.append(b.canonical(x))
    if not slots and any(varying(f) for x in out for f in x.factors):
        return [*xs, b.as_act(par)], None
    if not par.distinct:
        return [*xs, b.as_act(par)], None
    return out, par


Component = tuple[list[int], list[Leg], bool]


def components(
    legs: Sequence[Leg], hists: Sequence[Tensor], par: Par | None, shape: tuple[int, ...]
) -> list[Component]:
    """Legs that meet: connected through the axes along which they vary."""
    fields = [(varying(leg.factor), leg) for leg in legs]
    sets: list[frozenset[int]] = [a for a, _ in fields if a] + [
        varying(h) for h in hists if varying(h)
    ]
    slots = varying(broadcast(par.explicit(), shape)) if par is not None else frozenset[int]()
    if slots:
        sets.append(slots)
    joint: list[set[int]] = []
    for axes in sets:
        touching = [j for j in joint if j & axes]
        merged = set(axes).union(*touching) if touching else set(axes)
        joint = [j for j in joint if not j & axes] + [merged]
    joint = sorted(joint, key=min) or [set()]
    out: list[Component] = []
    for number, area in enumerate(joint):
        members = [leg for a, leg in fields if (a & area) or (not a and number == 0)]
        has_par = par is not None and (bool(slots & area) or (not slots and number == 0))
        out.append((sorted(area), members, has_par))
    return out


def position_codes(
    axes: list[int], legs: Sequence[Leg], xs: Sequence[Act], shape: tuple[int, ...]
) -> Tensor:
    """Codes of the positions among `axes`: where an operand is data spread over positions."""
    where: set[int] = set()
    for x in (xs[i] for i in sorted({leg.owner for leg in legs})):
        lead = len(shape) - x.dim
        where |= {a + lead for a in varying(x.pos)} & set(axes)
        own = {a - lead for a in real_axes(x, shape) & set(axes)} - x.axes
        where |= {a + lead for a in spread(x, own)}
    code = torch.zeros([1] * len(shape), dtype=torch.int64)
    for axis in sorted(where):
        ramp = torch.arange(shape[axis]).reshape(
            [-1 if a == axis else 1 for a in range(len(shape))]
        )
        code = code * shape[axis] + ramp
    return code.expand(shape)

"""Elementwise operations of several operands: a node for each distinct combination (DESIGN 3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import (
    broadcast,
    combine_keys,
    compress,
    core,
    cut,
    full,
    rank_first_seen,
    varying,
)
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.tags import edge_labels, positions
from gmn_fx.lowering.values import Act, Origin, Par

ZERO = torch.zeros((), dtype=torch.float64)


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


def join(
    b: Builder, acts: Sequence[Act], shape: Sequence[int], spec: Spec, par: Par | None = None
) -> Act:
    """The result of an elementwise op on neuron ids.

    Operands meet where their factors vary along a common axis; where only one of them has
    neurons, those pass through.
    """
    shape = tuple(shape)
    xs = [b.canonical(x) for x in acts]
    if par is not None:
        xs, par = _share_along_positions(b, xs, par, shape)
        if par is None:  # it was turned into an activation
            spec = replace(spec, operands=(*spec.operands, spec.par_operand))
    if par is None and len(xs) > 1 and _one_neuron(xs, shape):
        return _same_neurons(b, xs, spec)
    xs = _with_missing_neurons(b, xs, shape, par)
    legs = [leg for i, x in enumerate(xs) for leg in _legs(b, i, x, shape, spec.operands[i])]
    parts = _components(legs, [broadcast(x.hist, shape) for x in xs], par, shape)
    met = [p for p in parts if _meets(p[1]) or p[2]]
    if not met:
        return _pass_through(b, xs, legs, shape, spec)
    factors, pos = [], full(0, shape)
    for axes, members, has_par in parts:
        if _meets(members) or has_par:
            factor, where = _combine(b, axes, members, xs, shape, spec, par if has_par else None)
            factors.append(factor)
            pos = pos + where if varying(pos) else where
        else:
            factors.extend(m.factor for m in members)
    out = b.act(shape, factors, pos=pos)
    return replace(out, origin=_positions_of(xs, shape)) if repeats(out) else out


def repeats(x: Act) -> bool:
    """Whether some neuron of `x` stands at several places along the axes of its own factor."""
    cores = [cut(f, varying(f)).reshape(-1).numpy() for f in x.factors]
    return any(len(rank_first_seen(c)[1]) < len(c) for c in cores)


def _positions_of(xs: Sequence[Act], shape: tuple[int, ...]) -> Origin:
    """The position of a result is that of all its operands."""

    def mix(*tags: Tensor) -> Tensor:
        return sum((broadcast(t, shape) * (1.0 + 0.37 * i) for i, t in enumerate(tags)), ZERO)

    return Origin(mix, tuple(xs))


def _one_neuron(xs: Sequence[Act], shape: tuple[int, ...]) -> bool:
    """Whether all operands read the same neurons at the same positions (x * sigmoid(x))."""
    first = xs[0]
    if (
        any(x.shape != shape or len(x.factors) != len(first.factors) for x in xs)
        or not first.factors
    ):
        return False
    if any(varying(x.hist) for x in xs):
        return False
    for x in xs[1:]:
        for f, g in zip(first.factors, x.factors, strict=True):
            if varying(f) != varying(g) or not torch.equal(core(f), core(g)):
                return False
    done: dict[int, Tensor] = {}
    tags = [compress(positions(x, done)) if x.origin is not None else None for x in xs]
    if all(t is None for t in tags):
        return True
    known = [compress(positions(x, done)) for x in xs]
    return all(
        varying(t) == varying(known[0]) and torch.equal(core(t), core(known[0])) for t in known
    )


def _same_neurons(b: Builder, xs: Sequence[Act], spec: Spec) -> Act:
    """A function of one neuron, however many terms it has: a step of the history."""
    texts = [b.store.histories[int(x.hist.reshape(-1)[0])] for x in xs]
    if spec.operands[0] < 0:
        texts = sorted(texts)
    text = f"{spec.op}{spec.attr}({' , '.join(t or 'x' for t in texts)})"
    past = b.store.history(text.replace(" > ", " . "))
    return replace(xs[0], hist=full(past, xs[0].shape))


def _meets(legs: Sequence[Leg]) -> bool:
    return len(legs) > 1


def _legs(b: Builder, owner: int, x: Act, shape: tuple[int, ...], operand: int) -> list[Leg]:
    lead = len(shape) - x.dim
    out = []
    for f in x.factors:
        label = b.labels(x, f)
        wide = None if label is None else broadcast(label.reshape((1,) * lead + label.shape), shape)
        out.append(Leg(owner, broadcast(f, shape), broadcast(x.hist, shape), wide, operand))
    return out


def _real_axes(x: Act, shape: tuple[int, ...]) -> frozenset[int]:
    """Axes of the result along which `x` itself has more than one element."""
    lead = len(shape) - x.dim
    return frozenset(a + lead for a, n in enumerate(x.shape) if n > 1)


def _spread(x: Act, axes: Iterable[int]) -> set[int]:
    """Those of `axes` along which `x` holds different data, not one datum repeated by `expand`."""
    found = set(axes)
    if found and x.origin is not None:
        found &= varying(compress(positions(x, {})))
    return found


def _with_missing_neurons(
    b: Builder, xs: list[Act], shape: tuple[int, ...], par: Par | None
) -> list[Act]:
    """Data that meets neurons along an axis of its own gets pinned neurons there."""
    taken = [
        frozenset[int]().union(*(varying(broadcast(f, shape)) for f in x.factors))
        if x.factors
        else frozenset[int]()
        for x in xs
    ]
    slots = varying(broadcast(par.explicit(), shape)) if par is not None else frozenset[int]()
    fields = [varying(broadcast(f, shape)) for x in xs for f in x.factors] + [slots]
    out = []
    for x, mine in zip(xs, taken, strict=True):
        lead = len(shape) - x.dim
        for axes in fields:
            lacking = axes & _real_axes(x, shape)
            if lacking and not axes & mine:
                lacking = frozenset(a + lead for a in _spread(x, [a - lead for a in lacking]))
            if lacking and not axes & mine:
                x = b.with_pinned(x, sorted(a - lead for a in lacking))
                mine = mine | lacking
        out.append(x)
    return out


def _share_along_positions(
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
    if _repeated(par):
        return [*xs, b.as_act(par)], None
    return out, par


def _repeated(par: Par) -> bool:
    """Whether some slot stands at several places of an explicit view."""
    if par.affine:
        return False
    small = cut(par.slots, varying(par.slots)).reshape(-1).numpy()
    return len(np.unique(small)) != len(small)


Component = tuple[list[int], list[Leg], bool]


def _components(
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


def _pass_through(
    b: Builder, xs: Sequence[Act], legs: Sequence[Leg], shape: tuple[int, ...], spec: Spec
) -> Act:
    """No two operands have neurons in common: an elementwise step for those that have any."""
    owners = sorted({leg.owner for leg in legs})
    texts = b.store.histories
    step = spec.op + (f" {spec.attr}" if spec.attr else "")
    if len(owners) <= 1:
        x = xs[owners[0]] if owners else xs[0]
        side = (
            ""
            if len(xs) < 2 or spec.operands[0] < 0
            else f" as operand {owners[0] if owners else 0}"
        )
        wide = replace(
            x,
            shape=shape,
            factors=tuple(compress(leg.factor) for leg in legs),
            hist=broadcast(x.hist, shape),
            pos=broadcast(x.pos, shape),
            root=x.root if len(xs) == 1 else b.root(),
            origin=_same(x, shape),
        )
        return b.step(wide, step + side)
    past = " , ".join(texts[int(cut(x.hist, ()).reshape(-1)[0])] for x in xs)
    out = b.act(shape, [leg.factor for leg in legs])
    return b.step(out, f"{step}({past})" if past.strip(" ,") else step)


def _same(x: Act, shape: tuple[int, ...]) -> Origin | None:
    return x.origin if x.shape == shape else Origin(lambda t: broadcast(t, shape), (x,))


def _combine(
    b: Builder,
    axes: list[int],
    legs: Sequence[Leg],
    xs: Sequence[Act],
    shape: tuple[int, ...],
    spec: Spec,
    par: Par | None,
) -> tuple[Tensor, Tensor]:
    """New nodes for one component; returns (factor, positions)."""
    grid = tuple(n if a in axes else 1 for a, n in enumerate(shape))
    cols = []
    for leg in legs:
        cols += [_flat(leg.factor, axes, grid), _flat(leg.hist, axes, grid)]
    slots = None if par is None else broadcast(par.explicit(), shape)
    if slots is not None and par is not None:
        cols += [_flat(slots, axes, grid), _flat(broadcast(par.hist, shape), axes, grid)]
    if not cols:
        cols = [np.zeros(int(np.prod(grid)), dtype=np.int64)]
    inverse, first = rank_first_seen(combine_keys(cols))
    whole = len(first) == len(inverse)
    group = b.new(spec.kind, spec.op, len(first))
    ids = torch.arange(group.start, group.start + group.size)
    pos = _positions(b, axes, legs, xs, shape)
    if varying(pos):
        group.label = _flat(pos, axes, grid)[first]
    cells = _Cells(axes, grid, inverse, None if whole else torch.from_numpy(first))
    dst = ids.reshape(grid) if whole else ids
    _edges(b, legs, dst, cells, spec, par, shape)
    factor = ids[torch.from_numpy(inverse)].reshape(grid).expand(shape)
    return factor, pos


@dataclass(frozen=True)
class _Cells:
    """The cells of the result that have a node each: the whole grid, or a choice of it."""

    axes: list[int]
    grid: tuple[int, ...]
    node: np.ndarray
    chosen: Tensor | None

    def of(self, t: Tensor) -> Tensor:
        wide = cut(t, self.axes).expand(self.grid)
        return wide if self.chosen is None else wide.reshape(-1)[self.chosen]

    def labels(self, leg: Leg) -> Tensor | None:
        """A label a node for the edges of `leg`."""
        if leg.label is None:
            return None
        found = edge_labels(self.node, _flat(leg.label, self.axes, self.grid))
        if found is None:
            return None
        labels = torch.from_numpy(found)
        return labels.reshape(self.grid) if self.chosen is None else labels


def _flat(t: Tensor, axes: list[int], grid: tuple[int, ...]) -> np.ndarray:
    return cut(t, axes).expand(grid).reshape(-1).numpy()


def _edges(
    b: Builder,
    legs: Sequence[Leg],
    dst: Tensor,
    cells: _Cells,
    spec: Spec,
    par: Par | None,
    shape: tuple[int, ...],
) -> None:
    """The edges of one component."""
    own = [leg for leg in legs if leg.owner == spec.par_owner] if par is not None else []
    carrier = own[0] if len(own) == 1 else None
    for leg in (x for x in legs if x is not carrier):
        src = cells.of(leg.factor)
        b.connect(
            src,
            dst,
            op=spec.op,
            hist=cells.of(leg.hist),
            kind=_kind(spec, leg),
            label=cells.labels(leg),
            operand=leg.operand if leg.operand >= 0 else _twin(b, legs, leg, cells),
            attr=spec.attr,
        )
    if par is None:
        return
    moved = Par(shape, broadcast(par.slots, shape), par.base, broadcast(par.hist, shape))
    carried = _par_cells(moved, cells)
    src = cells.of(carrier.factor) if carrier else b.constant_one(spec.op)
    hist = cells.of(carrier.hist) if carrier else None
    label = cells.labels(carrier) if carrier else None
    b.shared(("join", spec.op, spec.attr, par_key(carried)), src, dst)
    b.connect(
        src,
        dst,
        op=spec.op,
        kind=spec.par_kind,
        par=carried,
        hist=hist,
        label=label,
        operand=spec.par_operand,
        attr=spec.attr,
    )


def _kind(spec: Spec, leg: Leg) -> str:
    if spec.op == "residual" and leg.owner == 0:
        return "residual"
    return "operand" if leg.operand >= 0 else "flow"


def _par_cells(par: Par, cells: _Cells) -> Par:
    if cells.chosen is None:
        hist = cut(par.hist, cells.axes).expand(cells.grid)
        return Par(cells.grid, cut(par.slots, cells.axes).expand(cells.grid), par.base, hist)
    slots = cut(par.explicit(), cells.axes).expand(cells.grid).reshape(-1)[cells.chosen]
    hist = cut(par.hist, cells.axes).expand(cells.grid).reshape(-1)[cells.chosen]
    return Par((len(slots),), slots, 0, hist)


def par_key(par: Par) -> tuple[object, ...]:
    """Identity of a parameter view: equal keys, equal slots in the same order."""
    if par.affine:
        shape = tuple((n, s) for n, s in zip(par.shape, par.slots.stride(), strict=True) if n > 1)
        return (par.base + par.slots.storage_offset(), shape)
    small = cut(par.slots, varying(par.slots)).reshape(-1)
    return (len(small), hash(small.numpy().tobytes()))


def _twin(b: Builder, legs: Sequence[Leg], leg: Leg, cells: _Cells) -> int:
    """Two operands of a commutative op that read the same neurons the same way are told apart."""
    twins = [
        other
        for other in legs
        if torch.equal(cells.of(other.factor), cells.of(leg.factor))
        and torch.equal(cells.of(other.hist), cells.of(leg.hist))
    ]
    return -1 if len(twins) < 2 else next(i for i, t in enumerate(twins) if t is leg)


def _positions(
    b: Builder, axes: list[int], legs: Sequence[Leg], xs: Sequence[Act], shape: tuple[int, ...]
) -> Tensor:
    """Codes of the positions among `axes`: where an operand is data spread over positions."""
    where: set[int] = set()
    for x in (xs[i] for i in sorted({leg.owner for leg in legs})):
        lead = len(shape) - x.dim
        where |= {a + lead for a in varying(x.pos)} & set(axes)
        mine = frozenset[int]().union(*(varying(f) for f in x.factors))
        spread = {a - lead for a in _real_axes(x, shape) & set(axes)} - mine
        where |= {a + lead for a in _spread(x, spread)}
    code = torch.zeros([1] * len(shape), dtype=torch.int64)
    for axis in sorted(where):
        ramp = torch.arange(shape[axis]).reshape(
            [-1 if a == axis else 1 for a in range(len(shape))]
        )
        code = code * shape[axis] + ramp
    return code.expand(shape)

"""What a lowering rule talks to: create neurons, attach edges, share, pin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from gmn_fx.errors import InternalError
from gmn_fx.graph.model import Bundle, Slot
from gmn_fx.lowering.axes import (
    broadcast,
    combine_keys,
    compress,
    core,
    freeze,
    full,
    rank_first_seen,
    varying,
)
from gmn_fx.lowering.slots import slot_bundles
from gmn_fx.lowering.store import RawGroup, Store, index_map
from gmn_fx.lowering.tags import position_labels
from gmn_fx.lowering.values import (
    Act,
    Choice,
    Const,
    Origin,
    Par,
    Value,
    argument_of,
    blank,
    constant_data,
)


class Builder:
    """One extraction in progress.

    Rules get it as their first argument. `node` is the fx node being lowered; module path and
    source line are taken from it.
    """

    def __init__(self, slots: Sequence[Slot], buffers: frozenset[str] = frozenset()) -> None:
        self.store = Store()
        self.slots = tuple(slots)
        self.buffers = buffers
        self.node: fx.Node | None = None
        self.leaf_params: dict[str, Value] = {}
        self.const_keys: dict[Any, int] = {}
        self.input_names: dict[str, str] = {}
        self._offsets = np.array([s.offset for s in slots] or [0], dtype=np.int64)
        self.members: dict[Choice, Tensor] = {}
        self.put_where: dict[int, tuple[Choice, set[int]]] = {}
        self._pinned_axes: dict[Any, Tensor] = {}
        self._first_use: dict[Any, tuple[Tensor, ...]] = {}

    # ---- where we are

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value that the current node makes (of its first tensor)."""
        return self.shapes[0]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of all tensors that the current node makes."""
        val = self.node.meta["val"] if self.node is not None else None
        items = val if isinstance(val, (tuple, list)) else (val,)
        return [tuple(v.shape) for v in items if isinstance(v, Tensor)]

    @property
    def name(self) -> str:
        """Module path of the current node."""
        return "" if self.node is None else str(self.node.meta.get("module", ""))

    def param(self, name: str) -> Value:
        """A parameter of the leaf module being lowered, by its local name."""
        if name not in self.leaf_params:
            known = ", ".join(sorted(self.leaf_params)) or "none"
            raise KeyError(f"module {self.name!r} has no parameter {name!r}; it has: {known}")
        return self.leaf_params[name]

    # ---- nodes

    def new(self, kind: str, op: str, size: int) -> RawGroup:
        """A group of `size` fresh nodes."""
        source = "" if self.node is None else str(self.node.meta.get("source", ""))
        return self.store.new_group(kind, op, size, self.name, source)

    def nodes(self, kind: str, op: str, shape: Sequence[int]) -> Tensor:
        """Ids of a fresh group, laid out in `shape`."""
        size = int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
        start = self.new(kind, op, size).start
        return torch.arange(start, start + size, dtype=torch.int64).reshape(tuple(shape))

    def constant_one(self, op: str) -> Tensor:
        """Id (0-dim) of a fresh bias node: a neuron whose value is always 1."""
        return self.nodes("bias", op, ())

    def constants(self, number: str, shape: Sequence[int]) -> Tensor:
        """Ids of fresh nodes whose value is always `number`. They can be exchanged."""
        ids = self.nodes("constant", "constant", shape)
        past = self.store.extend_history(full(0, ()), f"mul({number})")
        self.connect(self.constant_one("constant"), ids, op="constant", hist=past)
        return ids

    # ---- edges

    def connect(
        self,
        src: Tensor,
        dst: Tensor,
        *,
        op: str,
        kind: str = "flow",
        par: Par | None = None,
        label: Tensor | None = None,
        hist: Tensor | None = None,
        operand: int = -1,
        attr: str = "",
    ) -> None:
        """Add edges; all tensors broadcast to one shape. `par` carries the slots on them."""
        parts = [t for t in (src, dst, label, hist) if t is not None]
        shape = torch.broadcast_shapes(*(p.shape for p in parts), par.shape if par else ())
        if 0 in shape:
            return
        past = full(0, ()) if hist is None else hist
        if par is not None:
            past = self.merge_histories(past, par.hist)
        past = self.store.extend_history(past, attr)
        base = Bundle(
            kind,
            op,
            tuple(shape),
            src=index_map(broadcast(src, shape)),
            dst=index_map(broadcast(dst, shape)),
            label=index_map(broadcast(full(-1, ()) if label is None else label, shape)),
            history=index_map(broadcast(past, shape)),
            operand=operand,
            name=self.name,
        )
        if par is None:
            self.store.bundles.append(base)
        else:
            self.store.bundles.extend(slot_bundles(base, par, self.slots, self._offsets))

    def merge_histories(self, left: Tensor, right: Tensor) -> Tensor:
        """Histories of an edge whose parameter has a history of its own: `left | right`."""
        if not bool((core(right) != 0).any()):
            return left
        a, b = torch.broadcast_tensors(core(left), core(right))
        keys = combine_keys([a.reshape(-1).numpy(), b.reshape(-1).numpy()])
        inverse, first = rank_first_seen(keys)
        texts = self.store.histories
        new = []
        for i in first:
            x, y = int(a.reshape(-1)[i]), int(b.reshape(-1)[i])
            new.append(self.store.history(f"{texts[x]} | {texts[y]}") if y else x)
        table = torch.tensor(new, dtype=torch.int64)
        return table[torch.from_numpy(inverse)].reshape(a.shape)

    # ---- values

    def act(
        self, shape: Sequence[int], factors: Sequence[Tensor], *, pos: Tensor | None = None
    ) -> Act:
        """A fresh activation over `factors` (ids that broadcast to `shape`)."""
        shape = tuple(shape)
        laid = tuple(compress(broadcast(f, shape)) for f in factors)
        axes = frozenset[int]().union(*(varying(f) for f in laid))
        where = full(0, shape) if pos is None else compress(freeze(broadcast(pos, shape), axes))
        return Act(shape, laid, full(0, shape), where, root=self.root())

    def root(self) -> str:
        """Identity of the value that the current node makes."""
        return "" if self.node is None else self.node.name

    def data_key(self, x: Act) -> str:
        """A name for data without neurons: equal for equal data, so that two masks differ."""
        past = [self.store.histories[i] for i in torch.unique(core(x.hist)).tolist()]
        return f"#{self.const_keys.setdefault((x.root or x.uid, *past), len(self.const_keys))}"

    def step(self, x: Act, text: str) -> Act:
        """`x` after an elementwise function called `text`."""
        return replace(x, hist=self.store.extend_history(x.hist, text))

    def canonical(self, x: Act) -> Act:
        """`x` constant along every axis along which the equalities so far made its neurons one.

        The ids stay those of the value itself, not of the class: collapse-weight-sharing needs to
        know which of the merged values an edge reads.
        """
        if not self.store.sets.merged or not x.factors:
            return x
        return replace(x, factors=tuple(self.canon(f) for f in x.factors))

    def canon(self, factor: Tensor) -> Tensor:
        """`canonical` for one factor."""
        return freeze(factor, varying(compress(self.store.find(factor))))

    def labels(self, x: Act, factor: Tensor, axes: Sequence[int] | None = None) -> Tensor | None:
        """Which of several edges: None unless one neuron of `factor` is read more than once."""
        return position_labels(x, factor, axes)

    def as_act(self, value: Value) -> Act:
        """Any value as an activation. A parameter becomes a neuron an element (bias node -> it)."""
        match value:
            case Act():
                return value
            case Const():
                return constant_data(value)
            case Par():
                return self._par_as_act(value)
        raise InternalError(f"not a lowering value: {value!r}")

    def _par_as_act(self, par: Par) -> Act:
        slots = core(par.explicit())
        past = core(par.hist)  # what happened may differ where the parameter is the same
        slots, past = torch.broadcast_tensors(slots, past)
        shape = slots.shape
        keys = combine_keys([slots.reshape(-1).numpy(), past.reshape(-1).numpy()])
        inverse, first = rank_first_seen(keys)
        group = self.new("neuron", "parameter", len(first))
        ids = torch.arange(group.start, group.start + group.size)
        index = torch.from_numpy(first)
        chosen = Par((len(first),), slots.reshape(-1)[index], 0, past.reshape(-1)[index])
        self.connect(self.constant_one("parameter"), ids, op="parameter", kind="bias", par=chosen)
        rows = self._table_rows(slots)
        if rows is not None:
            group.label = rows.expand(shape).reshape(-1)[index].numpy()
        small = self.act(shape, [ids[torch.from_numpy(inverse)].reshape(shape)], pos=rows)
        if shape == par.shape:
            return small
        # Repeated along the axes of stride 0: these are no positions of their own.
        wide = self.act(par.shape, [broadcast(small.factors[0], par.shape)])
        return replace(wide, origin=Origin(lambda t: broadcast(t, par.shape), (small,)))

    def _table_rows(self, slots: Tensor) -> Tensor | None:
        """Codes of the rows of a buffer with several axes: they are places, as of coordinates.

        A layer that reads the entries of a row for every row makes the rows one. The rows of a
        parameter are learned (queries, say) and stay apart.
        """
        axes = sorted(varying(slots))
        number = int(np.searchsorted(self._offsets, int(slots.min()), side="right")) - 1
        if len(axes) < 2 or self.slots[number].name not in self.buffers:
            return None
        code = torch.zeros([1] * slots.dim(), dtype=torch.int64)
        for axis in axes[:-1]:
            ramp = torch.arange(slots.shape[axis])
            shape = [-1 if a == axis else 1 for a in range(slots.dim())]
            code = code * slots.shape[axis] + ramp.reshape(shape)
        return code.expand(slots.shape)

    def pin(self, factor: Tensor) -> None:
        """No neuron of `factor` may be exchanged with another."""
        for group in self.store.groups_of(core(factor).reshape(-1).numpy()):
            self.store.pin_group(group)

    def pin_axes(self, x: Act, axes: Sequence[int]) -> Tensor:
        """Pinned neurons for data along `axes` (of `x.shape`), the same for the same data.

        Those of a uniform constant are not pinned: nothing tells them apart.
        """
        axes = tuple(sorted(a % x.dim for a in axes))
        if x.origin is not None and not x.factors:
            moved = self._pinned_parts(x, axes)
            moved = self._pinned_before(x, axes) if moved is None else moved
            if moved is not None:
                return moved
        key: tuple[Any, ...] = (
            x.root or x.uid,
            tuple(x.shape),
            axes,
            tuple(x.shape[a] for a in axes),
            x.origin and x.uid,
        )
        if x.uniform:
            key = (x.uid, axes)  # its own: sharing may make them one with neurons of some layer
            if key not in self._pinned_axes:
                shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
                self._pinned_axes[key] = self.constants(x.uniform, shape)
        if key not in self._pinned_axes:
            is_input = x.data and not x.factors
            constant = x.root.startswith("constant ")
            kind = "constant" if constant else "input" if is_input else "position"
            group = self.new(kind, kind, int(np.prod([x.shape[a] for a in axes], dtype=np.int64)))
            group.name = argument_of(x, self.input_names) if is_input else group.name
            self.store.pin_group(group)
            shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
            ids = torch.arange(group.start, group.start + group.size, dtype=torch.int64)
            self._pinned_axes[key] = ids.reshape(shape)
        return broadcast(self._pinned_axes[key], x.shape)

    def _pinned_parts(self, x: Act, axes: tuple[int, ...]) -> Tensor | None:
        """Neurons of data that lies beside a uniform constant along the one axis in `axes`."""
        origin = x.origin
        if origin is None or (origin.along,) != axes or not any(p.uniform for p in origin.parents):
            return None
        return compress(origin.move(*(self.pin_axes(p, axes) for p in origin.parents)))

    def _pinned_before(self, x: Act, axes: tuple[int, ...]) -> Tensor | None:
        """Neurons of the data that `x` was moved from, if one of its axes became `axes`."""
        origin = x.origin
        if origin is None or len(origin.parents) != 1:
            return None
        parent = origin.parents[0]

        def moved(t: Tensor) -> Tensor:
            out = origin.move(broadcast(t, parent.shape))
            return compress(out if origin.pick is None else out[origin.pick])

        for axis, n in enumerate(parent.shape):
            if n < 2 or int(np.prod([x.shape[a] for a in axes])) != n:
                continue
            line = torch.arange(n).reshape([-1 if a == axis else 1 for a in range(parent.dim)])
            where = moved(line)
            whole = len(torch.unique(core(where))) == n == core(where).numel()
            if whole and varying(where) == frozenset(axes):
                return moved(self.pin_axes(parent, [axis]))
        return None

    def with_pinned(self, x: Act, axes: Sequence[int]) -> Act:
        """`x` with one more factor: pinned neurons along `axes`."""
        return replace(x, factors=(*x.factors, self.pin_axes(x, axes)))

    def placed(self, x: Act) -> Act:
        """`x`, whose elements stand at coordinates of their own.

        What data decides (a gather, a scatter) is laid out by repeating one entry, but its entries
        are not repetitions of each other. Data without neurons keeps the name of what it was taken
        from: what was taken is in its history, or in the neurons of the index.
        """
        source = x.origin.parents[0].root if x.origin and len(x.origin.parents) == 1 else ""
        root = self.root() if x.factors or not source else f"{source} placed"
        return replace(x, origin=None, root=root, uid=self.fresh_uid())

    @staticmethod
    def fresh_uid() -> int:
        """A new identity for a value made by `replace`."""
        return blank((), "").uid

    # ---- sharing

    def shared(self, role: Any, *ends: Tensor) -> None:
        """One use of the parameters that `role` names: its ends are those of the earlier uses.

        Unless that would make two neurons one that the other use tells apart: then the parameters
        are tied, no more.
        """
        first = self._first_use.setdefault(role, ends)
        pairs = [(o, n) for o, n in zip(first, ends, strict=True) if o is not n]
        pairs = [(o, n) for o, n in pairs if o.shape == n.shape]
        if all(self.one_to_one(old, new) for old, new in pairs):
            for old, new in pairs:
                self.store.unite(old, new)

    def one_to_one(self, old: Tensor, new: Tensor) -> bool:
        """Whether equal neurons on one side are equal on the other."""
        wide = torch.broadcast_tensors(*(self.store.find(core(t)) for t in (old, new)))
        left, right = (t.reshape(-1).numpy() for t in wide)
        counts = {
            len(rank_first_seen(keys)[1]) for keys in (left, right, combine_keys([left, right]))
        }
        return len(counts) == 1

    def reads_other_neurons(self, role: Any, src: Tensor) -> bool:
        """Whether an earlier use of `role` read other neurons of the very groups that `src` is of.

        Uniting the two would merge neurons of one layer, which the network can tell apart.
        """
        first = self._first_use.get(role, (None,))[0]
        if first is None or first.shape != src.shape:
            return False
        old, new = (self.store.find(core(t)).reshape(-1).numpy() for t in (first, src))
        changed = old != new
        if not changed.any():
            return False
        earlier, later = (core(t).reshape(-1).numpy()[changed] for t in (first, src))
        before = {g.start for g in self.store.groups_of(earlier)}
        return any(g.start in before for g in self.store.groups_of(later))

    def merge_along(self, factor: Tensor, axes: Sequence[int]) -> Tensor:
        """Unite the neurons of `factor` along `axes`; returns the canonical ids."""
        axes = [a for a in axes if a in varying(factor)]
        if axes:
            small = core(factor)
            first = small
            for axis in axes:
                first = first.narrow(axis, 0, 1)
            self.store.unite(small, first)
        return self.canon(factor)


Rule = Callable[..., Value | tuple[Value, ...] | list[Value]]

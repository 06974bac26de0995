"""The parameter graph: groups of nodes, bundles of edges, slots that hold the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from gmn_fx.graph.indexmap import IndexMap

if TYPE_CHECKING:
    from gmn_fx.graph.schema import Schema

# Values of meta["capture"] under which a graph stands for the path that the example takes.
ONE_PATH = ("concrete", "record")
# Why neurons are one in an equality that weight sharing does not demand; and, established, that the
# edges into them are parallel without anything that tells them apart (docs/paper-style.md).
PARALLEL = "parallel-edges"
# Defaults: labels and pins of free nodes, and a bundle without history.
FREE = IndexMap((), -1, ())
NO_HISTORY = IndexMap((), 0, ())


@dataclass(frozen=True)
class Slot:
    """One state_dict entry of the model; its elements are the parameters on the edges.

    offset: first index of this entry in the flat parameter vector (over all slots, in order).
    trainable: False for buffers and frozen parameters.
    aliases: other state_dict names of the same tensor (tied parameters).
    used: False when the outputs do not depend on it (then none of its elements is on an edge);
        `reason` says why. A used slot may still have single elements that nothing reads; those
        are listed in `ParameterGraph.unread`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    offset: int
    trainable: bool = True
    aliases: tuple[str, ...] = ()
    used: bool = True
    reason: str = ""

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Group:
    """Nodes `start .. start + size - 1`, made by one operation.

    kind: one of `schema.NODE_KINDS`. op: name of the operation that made them.
    depth: layer number. label: shape `(size,)`, -1 = free; others are pinned (inputs, outputs,
    vocabulary, positions). pin: which pinned set the labels belong to, -1 for free nodes; a node
    with label >= 0 is unique in the graph by (pin, label).
    name: module path. source: "file.py:12".
    """

    kind: str
    op: str
    start: int
    size: int
    depth: int = -1
    label: IndexMap = FREE
    pin: IndexMap = FREE
    name: str = ""
    source: str = ""


@dataclass(frozen=True)
class Bundle:
    """Edges given by broadcasting. `shape` is the common shape of all maps.

    kind: one of `schema.EDGE_KINDS`. op: the operation that reads the edge.
    slot: name of the slot whose elements lie on the edges, None on parameter-free edges.
    view: element index inside that slot, None on parameter-free edges.
    src, dst: node ids. label: -1 or which of several parallel edges (kernel offset, position).
    operand: which operand of a non-commutative op, -1 where it does not matter.
    history: index into `ParameterGraph.histories` (0 = nothing): elementwise functions and static
    attributes between the source neuron and the op.
    tied: its slot elements are on other edges too.
    """

    kind: str
    op: str
    shape: tuple[int, ...]
    src: IndexMap
    dst: IndexMap
    slot: str | None = None
    view: IndexMap | None = None
    label: IndexMap = FREE
    history: IndexMap = NO_HISTORY
    operand: int = -1
    depth: int = -1
    tied: bool = False
    name: str = ""


@dataclass(frozen=True)
class Equality:
    """Raw graphs only: node ids `left` and `right` (same shape) are one node each."""

    left: IndexMap
    right: IndexMap
    why: str = ""


@dataclass(repr=False, eq=False)
class ParameterGraph:
    """The lowered network. Structure is O(layers); values are held by reference.

    histories: strings; entry 0 is "". unread: (slot name, number of elements that nothing reads).
    values: slot name -> tensor, empty for structure only. notes: what capture specialised.
    meta: strings about the extraction (capture rung, style, versions of the format).
    equalities: empty after `collapse-weight-sharing`.
    """

    name: str
    slots: tuple[Slot, ...]
    groups: tuple[Group, ...]
    bundles: tuple[Bundle, ...]
    histories: tuple[str, ...] = ("",)
    equalities: tuple[Equality, ...] = ()
    unread: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, torch.Tensor] = field(default_factory=dict)
    established: frozenset[str] = frozenset()

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return max((g.start + g.size for g in self.groups), default=0)

    @property
    def num_edges(self) -> int:
        """Number of edges, parameter-free ones included."""
        return sum(math.prod(b.shape) for b in self.bundles)

    @property
    def num_parameters(self) -> int:
        """Length of the flat parameter vector: the elements of all slots, buffers included."""
        return max((s.offset + s.numel for s in self.slots), default=0)

    @property
    def schema(self) -> Schema:
        """Column names and vocabularies of the array form."""
        from gmn_fx.graph.schema import schema_of

        return schema_of(self)

    @property
    def signature(self) -> str:
        """sha256 of the structure: equal for equal architectures, whatever weights and names."""
        from gmn_fx.graph.signature import signature_of

        return signature_of(self)

    def verify(self, *, level: Literal["full", "values"] = "full") -> None:
        """Raise GraphError unless P1 and P7 hold (with level="values" also P2)."""
        from gmn_fx.graph.verify import verify

        verify(self, level=level)

    def to_text(self, *, source: bool = True) -> str:
        """The structure as text, one line for each slot, group and bundle; see `parse`."""
        from gmn_fx.graph.text import to_text

        return to_text(self, source=source)

    @classmethod
    def parse(cls, text: str) -> ParameterGraph:
        """The graph that `to_text` printed (without values); TextError when it does not parse."""
        from gmn_fx.graph.text import parse

        return parse(text)

    def bind(self, state_dict: Mapping[str, Any]) -> ParameterGraph:
        """The same structure on other weights; they are held by reference, not copied."""
        from gmn_fx.graph.values import bind

        return bind(self, state_dict)

    def edge_values(self) -> torch.Tensor:
        """The value of every edge, [E], 1 on parameter-free edges."""
        from gmn_fx.graph.values import edge_values

        return edge_values(self)

    def to_state_dict(
        self,
        edge_values: torch.Tensor | None = None,
        *,
        reduce: Literal["equal", "mean"] = "equal",
    ) -> dict[str, torch.Tensor]:
        """The state_dict that the graph holds, or the one that `edge_values` [E] stands for.

        An element that lies on several edges must have one value on all of them (GraphError);
        with reduce="mean" they are averaged.
        """
        from gmn_fx.graph.values import to_state_dict

        return to_state_dict(self, edge_values, reduce=reduce)

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph` with readable attributes on nodes and edges."""
        from gmn_fx.graph.convert import to_networkx

        return to_networkx(self)

    def to_pyg(self, index_dtype: torch.dtype = torch.int64, reverse: bool = False) -> Any:
        """A `torch_geometric.data.Data`; see `gmn_fx.graph.convert.to_pyg` for its fields."""
        from gmn_fx.graph.convert import to_pyg

        return to_pyg(self, index_dtype=index_dtype, reverse=reverse)

    def save(self, path: str | Path, dense: bool = False) -> None:
        """Write `graph.pt`; dense=True adds the materialised arrays."""
        from gmn_fx.graph.files import save

        save(self, path, dense=dense)

    @classmethod
    def load(cls, path: str | Path) -> ParameterGraph:
        """Read a file that `save` wrote; FileError when it is not one."""
        from gmn_fx.graph.files import load

        return load(path)

    def _repr_svg_(self) -> str | None:
        """The picture for a notebook; None where there is none of a bearable size."""
        from gmn_fx.drawing.notebook import notebook_svg

        return notebook_svg(self)

    def _repr_html_(self) -> str:
        """The picture for a notebook, or facts where there is none."""
        from gmn_fx.drawing.notebook import notebook_html

        return notebook_html(self)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return (
            f"ParameterGraph({self.name!r}, nodes={self.num_nodes}, edges={self.num_edges}, "
            f"parameters={self.num_parameters}, slots={len(self.slots)}, "
            f"groups={len(self.groups)}, bundles={len(self.bundles)})"
        )

    def __eq__(self, other: object) -> bool:
        """Equal structure, and bit-equal values under the same names."""
        if not isinstance(other, ParameterGraph):
            return NotImplemented
        from gmn_fx.graph.values import same_values

        return _structure(self) == _structure(other) and same_values(self.values, other.values)


def _structure(graph: ParameterGraph) -> tuple[Any, ...]:
    """Everything but the values."""
    return (
        graph.name, graph.slots, graph.groups, graph.bundles, graph.histories, graph.equalities,
        graph.unread, graph.notes, dict(graph.meta), graph.established,
    )  # fmt: skip

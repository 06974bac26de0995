"""What the oracle says: plain data that prints as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, Literal

from gmn_fx.errors import OracleError
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry.orbits import OrbitRow

Verdict = Literal["caught", "harmless", "not needed", "undecided"]


@dataclass(frozen=True)
class Trial:
    """One random automorphism and some small ones, tried on one set of random weights.

    error: largest relative difference of the outputs. moved_nodes, moved_parameters: how much
    the random automorphism moves. small: how many were tried that move as little as possible.
    """

    seed: int
    error: float
    moved_nodes: int
    moved_parameters: int
    small: int = 0


@dataclass(frozen=True)
class SlotControl:
    """A random permutation of the elements of one slot; `change` of the outputs must not be 0."""

    slot: str
    kinds: tuple[str, ...]
    change: float
    reacts: bool


@dataclass(frozen=True)
class ColumnControl:
    """An automorphism of the graph without one column.

    caught: the output changed, so the column is needed. harmless: it did not, although the graph
    has more symmetry without it. not needed: no more symmetry without it. undecided: no
    automorphism of the poorer graph was found.
    """

    column: str
    verdict: Verdict
    change: float


@dataclass(frozen=True)
class Culprit:
    """A small automorphism that changes the output.

    group: whose node it moves. nodes: which one to where. slots: what it moves. error: by how
    much the output changes.
    """

    group: str
    nodes: tuple[int, int]
    slots: tuple[str, ...]
    error: float


@dataclass(frozen=True)
class OracleReport:
    """Outcome of `verify`.

    ok: the graph means the network, as far as the trials show. problems: why not. warnings: what
    weakens the proof. slots_moved: names of the slots that some trial moved. culprits: small
    automorphisms that already break the network. orbits: the symmetry found, by group. style: of
    the graph, if it is not an exact one.
    """

    ok: bool
    tolerance: float
    nodes: int
    edges: int
    parameters: int
    trials: tuple[Trial, ...]
    orbits: tuple[OrbitRow, ...] = ()
    slot_controls: tuple[SlotControl, ...] = ()
    column_controls: tuple[ColumnControl, ...] = ()
    culprits: tuple[Culprit, ...] = ()
    slots_moved: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    style: str = ""

    @property
    def seeds(self) -> int:
        """Number of trials."""
        return len(self.trials)

    @property
    def max_error(self) -> float:
        """Largest relative difference over all trials."""
        return max((trial.error for trial in self.trials), default=0.0)

    @property
    def moved_parameters(self) -> int:
        """Most parameters that one trial moved."""
        return max((trial.moved_parameters for trial in self.trials), default=0)

    def mark(self, graph: ParameterGraph) -> ParameterGraph:
        """`graph` with `meta["proof"]`: by what it is proved, for whoever opens its file."""
        if not self.ok:
            return graph
        count = self.seeds + sum(trial.small for trial in self.trials)
        text = f"oracle: {count} automorphisms, largest error {self.max_error:.1e}"
        return replace(graph, meta={**graph.meta, "proof": text})

    def raise_if_failed(self) -> OracleReport:
        """Return the report, or raise `OracleError` with it if it is not ok."""
        if not self.ok:
            raise OracleError(
                "the parameter graph does not mean the network\n" + _bullets(self.problems),
                hint=f"graphs of the {self.style} style have symmetries that networks have not; "
                "the exact style (the default) has none of them"
                if self.style
                else "a lowering rule or the capture is wrong; "
                "the culprits in the report name the first place",
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """Builtin containers only, ready for `json.dumps` (infinite errors become strings)."""
        plain = json.loads(json.dumps(asdict(self)), parse_constant=str)
        plain["max_error"] = self.max_error if self.max_error < float("inf") else "Infinity"
        plain["moved_parameters"] = self.moved_parameters
        return dict(plain)

    def __str__(self) -> str:
        verdict = "the graph means the network" if self.ok else "THE GRAPH IS WRONG"
        parts = [
            f"oracle: {verdict} ({self.nodes} nodes, {self.edges} edges, "
            f"{self.parameters} parameters)",
            _table(
                ("seed", "relative error", "nodes moved", "parameters moved", "small moves"),
                [(str(t.seed), f"{t.error:.1e}", *map(str, astuple(t)[2:])) for t in self.trials],
            ),
            _section("problems", self.problems),
            _section("smallest moves that change the output", [_culprit(c) for c in self.culprits]),
            _section("warnings", self.warnings),
            self._orbit_text(),
            self._control_text(),
        ]
        return "\n\n".join(part for part in parts if part)

    def _orbit_text(self) -> str:
        if not self.orbits:
            return ""
        head = ("group", "op", "what", "nodes", "orbits", "free", "orbit sizes")
        rows = [
            (
                row.group or "-",
                row.op,
                row.title,
                str(row.nodes),
                str(row.orbits) if row.exact else f">={row.orbits}",
                str(row.free),
                _sizes(row.sizes),
            )
            for row in self.orbits
        ]
        return "orbits\n" + _table(head, rows)

    def _control_text(self) -> str:
        lines = []
        if self.slot_controls:
            dead = [c.slot for c in self.slot_controls if not c.reacts]
            alive = len(self.slot_controls) - len(dead)
            lines.append(f"shuffling one slot: {alive} of {len(self.slot_controls)} react")
            if dead:
                lines.append("insensitive: " + ", ".join(dead))
        lines += [
            f"without {c.column}: {c.verdict}"
            + (f" (output changes by {c.change:.1e})" if c.verdict == "caught" else "")
            for c in self.column_controls
        ]
        return _section("negative controls", lines)


def _culprit(culprit: Culprit) -> str:
    a, b = culprit.nodes
    return (
        f"group {culprit.group or '-'}: node {a} -> {b} moves {', '.join(culprit.slots)}; "
        f"output changes by {culprit.error:.1e}"
    )


def _sizes(sizes: tuple[tuple[int, int], ...]) -> str:
    shown = [f"{n}" if count == 1 else f"{n} (x{count})" for n, count in sizes[:4]]
    return ", ".join(shown) + (", ..." if len(sizes) > 4 else "")


def _section(title: str, lines: tuple[str, ...] | list[str]) -> str:
    return f"{title}\n{_bullets(tuple(lines))}" if lines else ""


def _bullets(lines: tuple[str, ...]) -> str:
    return "\n".join(f"  - {line}" for line in lines)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Left-aligned columns of plain text."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)

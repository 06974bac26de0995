"""Tables and JSON about graphs and oracle reports."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.table import Table

from gmn_fx.cli.common import console

if TYPE_CHECKING:
    from gmn_fx.graph import ParameterGraph
    from gmn_fx.graph.model import Bundle, Group

_SHORT = 40


def table(title: str, columns: dict[str, str], rows: list[tuple[object, ...]]) -> Table:
    """A table; `columns` maps a header to "left" or "right"."""
    out = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for header, justify in columns.items():
        out.add_column(header, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        out.add_row(*(_cell(value) for value in row))
    return out


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("[", "\\[")


def print_table(title: str, columns: dict[str, str], rows: list[tuple[object, ...]]) -> None:
    """Print a table on stdout; plain text has no blanks at the end of its lines."""
    out = console()
    if out.is_terminal:
        out.print(table(title, columns, rows))
        return
    with out.capture() as text:
        out.print(table(title, columns, rows))
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def summary(graph: ParameterGraph) -> dict[str, Any]:
    """The figures of `graph`, for JSON and for the summary table."""
    unused = [slot for slot in graph.slots if not slot.used]
    return {
        "name": graph.name,
        "capture": graph.meta.get("capture", ""),
        "style": graph.meta.get("style", ""),
        "proof": graph.meta.get("proof", ""),
        "signature": graph.signature,
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "parameters": graph.num_parameters,
        "groups": len(graph.groups),
        "bundles": len(graph.bundles),
        "slots": len(graph.slots),
        "tied": sum(slot.numel for slot in _tied_slots(graph)),
        "unused": {slot.name: slot.reason for slot in unused},
        "unread": dict(graph.unread),
        "coverage": coverage(graph),
        "values": bool(graph.values),
        "notes": list(graph.notes),
    }


def coverage(graph: ParameterGraph) -> float:
    """Share of the parameters that lie on an edge."""
    total = graph.num_parameters
    lost = sum(slot.numel for slot in graph.slots if not slot.used)
    lost += sum(count for _, count in graph.unread)
    return (total - lost) / total if total else 1.0


def _tied_slots(graph: ParameterGraph) -> list[Any]:
    tied = {bundle.slot for bundle in graph.bundles if bundle.tied}
    return [slot for slot in graph.slots if slot.name in tied]


def print_summary(graph: ParameterGraph) -> None:
    """One screen about a graph: its counts, and nodes and edges by kind."""
    facts = summary(graph)
    head: list[tuple[object, ...]] = [
        ("nodes", facts["nodes"], f"in {len(graph.groups)} groups"),
        ("edges", facts["edges"], f"in {len(graph.bundles)} bundles"),
        ("parameters", facts["parameters"], f"in {len(graph.slots)} slots"),
        ("on an edge", f"{100 * facts['coverage']:.6g} %", _lost(graph)),
        ("proved", "yes" if facts["proof"] else "no", facts["proof"] or "gmn-verify proves it"),
    ]
    made = facts["capture"] + (f", {facts['style']} style" if facts["style"] else "")
    print_table(f"{graph.name} ({made})", {"": "", "count": "right", " ": ""}, head)
    nodes: Counter[str] = Counter()
    edges: Counter[str] = Counter()
    for group in graph.groups:
        nodes[group.kind] += group.size
    for bundle in graph.bundles:
        edges[bundle.kind] += edge_count(bundle)
    rows: list[tuple[object, ...]] = [("node", kind, n) for kind, n in nodes.most_common()]
    rows += [("edge", kind, n) for kind, n in edges.most_common()]
    print_table("by kind", {"what": "", "kind": "", "count": "right"}, rows)


def _lost(graph: ParameterGraph) -> str:
    names = [slot.name for slot in graph.slots if not slot.used]
    names += [f"{name} ({count} elements)" for name, count in graph.unread]
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{_why_lost(graph)}: {', '.join(names[:3])}{more}"


def _why_lost(graph: ParameterGraph) -> str:
    """Most parameters without an edge are read by nothing; a style may leave out more."""
    return "left out" if graph.meta.get("style") else "not read by any output"


def edge_count(bundle: Bundle) -> int:
    """Number of edges of a bundle."""
    count = 1
    for size in bundle.shape:
        count *= size
    return count


def group_row(group: Group) -> tuple[object, ...]:
    """One line of the table of groups."""
    first, last = group.start, group.start + group.size - 1
    pinned = "" if group.label.bounds()[1] < 0 else "yes"
    return (f"%{first}..{last}", group.kind, group.op, group.depth, group.size, pinned, group.name,
            group.source)  # fmt: skip


def bundle_row(bundle: Bundle, histories: tuple[str, ...]) -> tuple[object, ...]:
    """One line of the table of bundles."""
    low, high = bundle.history.bounds()
    history = histories[high] if low == high else f"{low}..{high}"
    if len(history) > _SHORT:
        history = history[: _SHORT - 3] + "..."
    shape = "x".join(map(str, bundle.shape)) or "scalar"
    tied = "tied" if bundle.tied else ""
    slot = bundle.slot or ""
    return (bundle.kind, bundle.op, bundle.depth, slot, shape, edge_count(bundle), tied, history,
            bundle.name)  # fmt: skip


GROUP_COLUMNS = {
    "nodes": "", "kind": "", "op": "", "depth": "right", "size": "right", "pinned": "",
    "module": "", "source": "",
}  # fmt: skip
BUNDLE_COLUMNS = {
    "kind": "", "op": "", "depth": "right", "slot": "", "shape": "", "edges": "right", "tied": "",
    "history": "", "module": "",
}  # fmt: skip

"""Boxes and frames of the architecture view, as attributes of DOT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gmn_fx.drawing import palette
from gmn_fx.drawing.fold import ALWAYS_SHOWN, HELPERS, Box, Path
from gmn_fx.drawing.frames import Frame
from gmn_fx.drawing.overlay import Change
from gmn_fx.drawing.parameter_lines import parameter_lines
from gmn_fx.drawing.plan import Plan
from gmn_fx.drawing.repeats import Run
from gmn_fx.drawing.roles import input_title, role_of
from gmn_fx.drawing.text import TIMES, dot_label, dot_tooltip, nodes, plural, shorten, tooltip
from gmn_fx.graph.model import Group, Slot

TOOLTIP_LINES = 40


def frame_attr(plan: Plan, frame: Frame, above: Path, number: int) -> dict[str, str]:
    """Attributes of the cluster of `frame`, which stands inside the frame of module `above`."""
    name = ".".join(frame.path)
    title = dot_label(shorten(".".join(_named(frame.path, above)) or name, 40))
    about = name
    if frame.run is not None:
        title = f"{dot_label(_span(frame.run, above))}  {TIMES} {len(frame.run.members)}"
        about = run_tooltip(plan, frame.run)
    return {
        "id": f"frame{number}",
        "class": "frame run" if frame.run else "frame",
        "label": f"<<B>{title}</B>>",
        "tooltip": dot_tooltip(tooltip(*about.split("\n"))),
        "style": "rounded,bold" if frame.run else "rounded",
        "color": palette.LIGHT.frame_line if frame.run is None else palette.PALE,
        "bgcolor": palette.LIGHT.frame,
    }


def run_tooltip(plan: Plan, run: Run) -> str:
    """What repeats."""
    groups = [plan.graph.groups[i] for i in run.members[0]]
    lines = [
        f"{len(run.members)} blocks that are alike: {_span(run, (), 2000)}",
        f"{plural(len(groups), 'group')}, {plural(sum(g.size for g in groups), 'node')} each",
        *(_group_line(g) for g in groups[:TOOLTIP_LINES]),
        f"and {len(groups) - TOOLTIP_LINES} more" if len(groups) > TOOLTIP_LINES else "",
    ]
    return "\n".join(line.replace("\n", " ") for line in lines if line)


def _span(run: Run, above: Path, limit: int = 32) -> str:
    """`h.0 … h.11`, as seen from the module `above`."""
    if run.first == run.last:
        return shorten(".".join(below(run.first, above)) or ".".join(run.first), 2 * limit)
    first, last = _named(run.first, above), _named(run.last, above)
    if first[:-1] == last[:-1]:
        # What both stand in is said once, but a number never stands alone.
        last = last[-2:] if last[-1].isdigit() else last[-1:]
    return f"{shorten('.'.join(first), limit)} … {shorten('.'.join(last), limit)}"


def box_attr(plan: Plan, slots: Mapping[str, Slot], number: int, above: Path) -> dict[str, str]:
    """Attributes of a box that stands in the frame of module `above`."""
    box = plan.boxes[number]
    runs = plan.repeated.get(number, [])
    change = _change_of(plan, number)
    if box.folded:
        kind, title, lines, about = _folded(plan, number, above)
    else:
        kind, title, lines, about = _single(plan, box, above, runs)
        lines = (*lines, *parameter_lines(plan, slots, number))
    for run in runs:
        if run.first != run.last:
            title = _span(run, above)
        title += f"  {TIMES} {len(run.members)}"
        about += "\n" + run_tooltip(plan, run)
    attr = {"id": f"box{number}"} | _look(kind, bool(runs))
    if kind in ("bias", "constant") and plan.graph.groups[box.groups[0]].size == 1:
        attr |= _square(kind)
        lines = ()
    else:
        attr["label"] = ""
    if change is not None:
        attr["color"] = change.color
        attr["penwidth"] = "2.2"
        attr["style"] = f"{attr.get('style', 'filled,rounded')},{change.style}"
        attr["class"] += " changed"
        about += f"\n{change.about}" if change.about else ""
        lines = (*lines, change.text)
    elif plan.overlay.rest:
        attr |= _pale(attr["fillcolor"], plan.overlay.rest)
    attr["label"] = attr["label"] or _html(title, lines)
    attr["tooltip"] = dot_tooltip(tooltip(*about.split("\n")))
    return attr


def _look(kind: str, repeated: bool) -> dict[str, str]:
    style = palette.node_style(kind)
    attr = {
        "class": palette.node_class(kind),
        "shape": "box3d" if repeated else style.shape,
        "fillcolor": style.fill,
        "color": style.stroke,
    }
    if attr["shape"] not in ("box", "square"):
        attr["style"] = "filled"
    if attr["shape"] == "box3d":
        attr["margin"] = "0.14,0.09"
    return attr


def _pale(fill: str, stroke: str) -> dict[str, str]:
    """Half transparent: the kind can still be seen, on light and on dark."""
    return {"color": stroke, "fontcolor": palette.PALE, "fillcolor": f"{fill}66"}


def _square(kind: str) -> dict[str, str]:
    return {
        "label": "1" if kind == "bias" else "c",
        "fontsize": "8",
        "width": "0.18",
        "height": "0.18",
        "margin": "0",
        "fixedsize": "true",
        "shape": "square",
        "style": "filled",
        "fontcolor": palette.LIGHT.paper if kind == "bias" else palette.INK,
    }


def _single(
    plan: Plan, box: Box, above: Path, runs: Sequence[Run]
) -> tuple[str, str, Sequence[str], str]:
    """Kind, title, lines and tooltip of a box for one group with its helpers."""
    group = plan.graph.groups[box.groups[0]]
    given = group.kind in ALWAYS_SHOWN
    own = "" if given else ".".join(below(box.path, above))
    op = group.op if group.op != group.kind else ""
    helpers = [plan.graph.groups[i] for i in box.groups[1:]]
    others = [h for h in helpers if h.kind != group.kind]
    if own.isdigit() and not runs:
        # As torch prints a Sequential.
        own, op = f"({own}) {group.op or group.kind}", ""
    title = input_title(plan.graph, group) if given else own or op or group.kind
    served = "".join(f" + {kind}" for kind in dict.fromkeys(h.kind for h in others))
    about = "\n".join(_group_tooltip(g) for g in (group, *helpers))
    many = nodes(group.size, group.kind)
    line = (f"{many} · {op}" if own and op else many) + served
    return role_of(group), title, (line,), about


def _folded(plan: Plan, number: int, above: Path) -> tuple[str, str, Sequence[str], str]:
    """The same for a box for a module."""
    box = plan.boxes[number]
    groups = [plan.graph.groups[i] for i in plan.inside[number]]
    full = ".".join(box.path)
    deep = sorted(g.depth for g in groups)
    levels = f"depth {deep[0]} … {deep[-1]}" if deep[0] >= 0 else plural(len(groups), "group")
    title = ".".join(_named(box.path, above)) or full or levels
    if box.last:
        last = ".".join(_named(tuple(box.last.split(".")), above)) or box.last
        title = f"{shorten(title, 16)} … {shorten(last, 16)}"
    ops = Counter(g.op or g.kind for g in groups if g.kind not in HELPERS)
    named = [f"{op} {TIMES} {n}" if n > 1 else op for op, n in ops.most_common()]
    about = [
        f"{full} … {box.last}" if box.last else full,
        f"{plural(len(groups), 'group')}, {plural(sum(g.size for g in groups), 'node')}",
        *(_group_line(g).replace("\n", " ") for g in groups[:TOOLTIP_LINES]),
        f"and {len(groups) - TOOLTIP_LINES} more" if len(groups) > TOOLTIP_LINES else "",
    ]
    first = plural(len(groups), "group")
    lines = [
        f"{first}, {plural(box.parameters, 'parameter')}" if box.parameters else first,
        ", ".join(named[:3]) + (", …" if len(named) > 3 else ""),
    ]
    return "fold", title, lines, "\n".join(about)


def _group_line(group: Group) -> str:
    return f"{group.name} {group.op} ({group.kind} {TIMES} {group.size:,})"


def _group_tooltip(group: Group) -> str:
    low, high = group.label.bounds()
    lines = (
        group.name or group.op or group.kind,
        f"{group.kind}, made by {group.op}" if group.op else group.kind,
        f"{plural(group.size, 'node')}: {group.start} to {group.start + group.size - 1}",
        f"depth {group.depth}" if group.depth >= 0 else "",
        f"labels {low} to {high}" if high >= 0 else "",
        group.source,
    )
    return "\n".join(line.replace("\n", " ") for line in lines if line)


def _change_of(plan: Plan, number: int) -> Change | None:
    """The change of a box; several in one module are counted, in the colour of the strongest."""
    inside = plan.inside[number]
    found = [plan.overlay.groups[i] for i in inside if i in plan.overlay.groups]
    if len(set(found)) <= 1:
        return found[0] if found else None
    rank = {entry.color: k for k, entry in enumerate(plan.overlay.entries)}
    last = max(found, key=lambda c: rank.get(c.color, -1)).color
    return Change(last, "solid", f"{plural(len(found), 'change')} inside", "")


def _html(title: str, lines: Iterable[str]) -> str:
    """A label of DOT: bold title, small lines under it."""
    small = "".join(
        f'<BR/><FONT POINT-SIZE="9" COLOR="{palette.PALE}">{dot_label(shorten(t, 56))}</FONT>'
        for t in lines
        if t
    )
    return f"<<B>{dot_label(shorten(title, 60))}</B>{small}>"


def below(path: Path, above: Path) -> Path:
    """`path` as seen from inside the module `above`."""
    return path[len(above) :] if path[: len(above)] == above else path


def _named(path: Path, above: Path) -> Path:
    """The same, but a number never stands alone: `down.0`."""
    inner = below(path, above)
    return path[-len(inner) - 1 :] if inner and inner[0].isdigit() else inner

"""The parameters that lead into a box, as lines of its label."""

from __future__ import annotations

from collections.abc import Mapping

from gmn_fx.drawing.plan import Plan
from gmn_fx.drawing.text import count, plural, shape, shorten
from gmn_fx.graph.model import Bundle, Group, Slot

# Characters in a line, and lines; the rest is counted there and listed in tooltips.
WIDTH, LINES = 36, 3
# Running statistics of a norm: a detail, to be found in the tooltip.
LEFT_OUT = frozenset({"running"})


def parameter_lines(plan: Plan, slots: Mapping[str, Slot], number: int) -> list[str]:
    """`weight 768\u00d72304, bias 2304 = 1.77 M`, in lines that are not too long."""
    target = plan.graph.groups[plan.boxes[number].groups[0]]
    carried: dict[str, int] = {}
    names: dict[str, str] = {}
    for link in plan.carried[number]:
        bundle = plan.graph.bundles[link.bundle]
        slot = bundle.slot or ""
        if bundle.kind not in LEFT_OUT and slot in slots:
            names.setdefault(slot, _local_name(bundle, target))
            carried[slot] = carried.get(slot, 0) + link.parameters
    if not carried:
        return []
    words = []
    for slot, many in carried.items():
        dims = shape(slots[slot].shape)
        whole = many >= slots[slot].numel
        words.append(f"{shorten(names[slot], 24)} {dims if whole else f'{count(many)} of {dims}'}")
    lines = _packed(words)
    if len(carried) > 1 or len(slots[next(iter(carried))].shape) > 1:
        total = f" = {count(sum(carried.values()))}"
        lines[-1] += total
    return lines


def _packed(words: list[str]) -> list[str]:
    """Words with commas between them, as many in a line as fit."""
    lines = [words[0]]
    for k, word in enumerate(words[1:], 1):
        if len(lines[-1]) + len(word) + 2 <= WIDTH:
            lines[-1] += f", {word}"
        elif len(lines) < LINES:
            lines[-1] += ","
            lines.append(word)
        else:
            lines[-1] += f" and {plural(len(words) - k, 'other')}"
            break
    return lines


def _local_name(bundle: Bundle, target: Group) -> str:
    """Slot name as seen from the box that the arrow points to."""
    name = bundle.slot or ""
    for module in (target.name, bundle.name):
        if module and name.startswith(f"{module}."):
            return name[len(module) + 1 :]
    return name

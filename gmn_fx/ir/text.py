"""The text form of a `Program`: what people read, tests compare and reproducers hold.

```
program "mlp" {
  %x = input "x" : f32[2, 4]
  %fc.weight = param "fc.weight" : f32[8, 4]
  %fc.bias = param "fc.bias" frozen tied "head.bias" : f32[8]
  %scale = buffer "scale" left "why a pass left it out" : f32[8]
  %0 = aten.linear.default(%x, %fc.weight, %fc.bias) : f32[2, 8]  @ "fc" my.Layer "m.py:12"
  return %0 as "output"
}
```

Values are numbered at print time, so texts do not change with internal names. Comments start with
`//`. `parse_program(print_program(p))` prints the same text.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx

from gmn_fx.ir.parser import parse_program
from gmn_fx.ir.program import Binding, Program
from gmn_fx.ir.spelling import float_text, literal_text, quote, target_text, type_text

__all__ = ["SMALL_CONSTANT", "parse_program", "print_node", "print_program"]

SMALL_CONSTANT = 16
"""Constants of up to this many elements are printed with their values."""

_BARE = re.compile(r"[A-Za-z_][\w.]*")


def print_program(program: Program, *, full: bool = False) -> str:
    """The text of `program`.

    Args:
        program: a well-formed or a broken program; what is missing prints as `?`.
        full: also write large constants (compressed) and the torch functions that the user
            called, so that nothing that a pass or rule reads is lost. For reproducers.
    """
    names = value_names(program)
    lines = [f"program {quote(program.name)} {{"]
    lines += [f"  {line}" for line in _attributes(program)]
    lines += [f"  {_line(node, names, program, full)}" for node in program.graph.nodes]
    return "\n".join([*lines, "}"]) + "\n"


def print_node(node: fx.Node, program: Program) -> str:
    """The line of one node, numbered as in the text of the whole program."""
    return _line(node, value_names(program), program, False)


def value_names(program: Program) -> dict[fx.Node, str]:
    """Print-time names: readable ones for placeholders, numbers for all other nodes."""
    names: dict[fx.Node, str] = {}
    taken: set[str] = set()
    number = 0
    for node in program.graph.nodes:
        if node.op == "placeholder":
            base = _readable(program.bindings.get(node.name), node.name)
            name, count = base, 0
            while name in taken:
                count += 1
                name = f"{base}_{count}"
            taken.add(name)
            names[node] = name
        elif node.op != "output":
            names[node] = str(number)
            number += 1
    return names


def _readable(binding: Binding | None, fallback: str) -> str:
    name = re.sub(r"[^\w.]+", "_", binding.name if binding else fallback, flags=re.ASCII).strip("_")
    # Digits alone are numbers of other nodes; "0.weight" must not look like one of them.
    return name if name and not name[0].isdigit() else f"p{name}"


def _attributes(program: Program) -> Iterator[str]:
    if program.rung:
        yield f"rung {quote(program.rung)}"
    if program.established:
        yield f"established {', '.join(quote(p) for p in sorted(program.established))}"
    for note in program.notes:
        yield f"note {quote(note)}"


def _line(node: fx.Node, names: Mapping[fx.Node, str], program: Program, full: bool) -> str:
    if node.op == "output":
        return _return(node, names, program)
    if node.op == "placeholder":
        body = _placeholder(node, program, full)
    else:
        body = f"{_target(node)}({_arguments(node, names)}){_extras(node, full)}"
    return f"%{names[node]} = {body}{_type(node)}{_constant(node, program, full)}{_place(node)}"


def _target(node: fx.Node) -> str:
    if node.op == "call_function":
        return target_text(node.target)
    return f"!{node.op}.{node.target}"


def _return(node: fx.Node, names: Mapping[fx.Node, str], program: Program) -> str:
    values = node.args[0] if node.args else ()
    items = values if isinstance(values, tuple | list) else (values,)
    labels = program.outputs
    parts = [
        _value(item, names) + (f" as {quote(labels[i])}" if i < len(labels) else "")
        for i, item in enumerate(items)
    ]
    return f"return {', '.join(parts)}".rstrip()


def _placeholder(node: fx.Node, program: Program, full: bool) -> str:
    binding = program.bindings.get(node.name)
    if binding is None:
        return f"unbound {quote(node.name)}"
    text = f"{binding.kind} {quote(binding.name)}"
    if binding.kind == "param" and not binding.trainable:
        text += " frozen"
    if binding.aliases:
        text += f" tied {', '.join(quote(alias) for alias in binding.aliases)}"
    if binding.reason:
        text += f" left {quote(binding.reason)}"
    return text


def _arguments(node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    parts = [_value(arg, names) for arg in node.args]
    parts += [f"{key}={_value(arg, names)}" for key, arg in node.kwargs.items()]
    return ", ".join(parts)


def _value(arg: Any, names: Mapping[fx.Node, str]) -> str:
    if isinstance(arg, fx.Node):
        return f"%{names.get(arg, '?' + arg.name)}"
    if isinstance(arg, tuple):
        # A trailing comma tells a tuple of one from a bracketed value.
        return f"({', '.join(_value(a, names) for a in arg)}{',' if len(arg) == 1 else ''})"
    if isinstance(arg, list):
        return f"[{', '.join(_value(a, names) for a in arg)}]"
    if isinstance(arg, slice):
        return f"slice({', '.join(_value(a, names) for a in (arg.start, arg.stop, arg.step))})"
    return literal_text(arg)


def _extras(node: fx.Node, full: bool) -> str:
    """` {name=..., ...}`: metadata that a pass or a rule reads."""
    parts: list[str] = []
    leaf = node.meta.get("leaf")
    if leaf is not None:
        pairs = sorted(leaf.get("params", {}).items(), key=lambda item: item[1])
        parts.append(f"params=[{', '.join(f'({quote(name)}, {i})' for name, i in pairs)}]")
    if full and node.meta.get("torch_fn"):
        parts.append(f"torch_fn={quote(str(node.meta['torch_fn'][1]))}")
    return f" {{{', '.join(parts)}}}" if parts else ""


def _type(node: fx.Node) -> str:
    return f" : {type_text(node.meta['val'])}" if "val" in node.meta else " : ?"


def _place(node: fx.Node) -> str:
    parts = [str(node.meta.get(key) or "") for key in ("module", "module_class", "source")]
    if not any(parts):
        return ""
    words = [quote(parts[0]), parts[1] if _BARE.fullmatch(parts[1]) else quote(parts[1])]
    words += [quote(parts[2])] if parts[2] else []
    return f"  @ {' '.join(words)}"


def _constant(node: fx.Node, program: Program, full: bool) -> str:
    value = program.constants.get(node.name) if node.op == "placeholder" else None
    if value is None or value.is_meta:
        return ""
    value = value.detach().cpu().contiguous()
    if value.numel() <= SMALL_CONSTANT:
        items = value.flatten().tolist()
        return f" = [{', '.join(_element(item, value.dtype) for item in items)}]"
    if not full:
        return ""
    data = zlib.compress(value.reshape(-1).view(torch.uint8).numpy().tobytes(), 9)
    return f" = data {quote(base64.b64encode(data).decode())}"


def _element(item: Any, dtype: torch.dtype) -> str:
    """The shortest literal that reads back as the same element of `dtype`."""
    if not isinstance(item, float) or dtype == torch.float64:
        return literal_text(item)
    for digits in range(1, 18):
        short = float(f"{item:.{digits}g}")
        if torch.tensor(short, dtype=dtype).item() == item:
            return float_text(short)
    return float_text(item)

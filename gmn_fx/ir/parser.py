"""Parser of the text form of a `Program`; see `gmn_fx.ir.text` for the form.

Reading a text runs nothing of it: names are looked up among torch's registered ops and the ops of
`gmn_fx.ir.ops`, and values are meta tensors.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from gmn_fx.errors import TextError
from gmn_fx.ir.program import Binding, Program
from gmn_fx.ir.scanner import Line, scan
from gmn_fx.ir.spelling import text_target, torch_constant, word_dtype

_KINDS = ("input", "param", "buffer", "constant")
_WORDS: dict[str, Any] = {"none": None, "true": True, "false": False, "ellipsis": Ellipsis}


@dataclass
class _State:
    """What is known while the lines are read."""

    program: Program
    values: dict[str, fx.Node] = field(default_factory=dict)


def parse_program(text: str) -> Program:
    """The program that `text` describes.

    Nodes get `meta["val"]` (meta tensors), `meta["module"]`, `meta["module_class"]` and
    `meta["source"]`. Raises `TextError` with the line number.
    """
    lines = scan(text)
    if not lines:
        raise TextError("line 1: the text is empty", hint='a program starts with: program "name" {')
    head = lines[0]
    head.expect("program")
    program = Program(fx.Graph(), {}, name=head.string("the program's name"))
    head.expect("{")
    _end(head)
    state = _State(program)
    for index, line in enumerate(lines[1:], start=1):
        if line.accept("}"):
            _end(line)
            _nothing_after(lines[index + 1 :])
            _returned(state, line)
            return program
        _statement(state, line)
    raise lines[-1].error("the program is not closed", hint="end it with a line that holds }")


def _returned(state: _State, line: Line) -> None:
    if not any(node.op == "output" for node in state.program.graph.nodes):
        raise line.error("the program returns nothing", hint='end it with: return %0 as "output"')


def _nothing_after(lines: list[Line]) -> None:
    if lines:
        raise lines[0].error("text after the end of the program")


def _end(line: Line) -> None:
    if not line.done:
        raise line.error(f"unexpected {line.found()}")


def _statement(state: _State, line: Line) -> None:
    program = state.program
    if line.accept("rung"):
        program.rung = line.string("the rung's name")
    elif line.accept("established"):
        program.established = frozenset(line.strings("a property"))
    elif line.accept("note"):
        program.notes = (*program.notes, line.string("the note"))
    elif line.accept("return"):
        _return(state, line)
    else:
        _assignment(state, line)
    _end(line)


def _return(state: _State, line: Line) -> None:
    values: list[fx.Node] = []
    labels: list[str] = []
    while not line.done:
        values.append(_node(state, line))
        if line.accept("as"):
            labels.append(line.string("the output's name"))
        if not line.accept(","):
            break
    if labels and len(labels) != len(values):
        raise line.error("some outputs have a name and some have none")
    state.program.outputs = tuple(labels)
    state.program.graph.output(tuple(values))


def _assignment(state: _State, line: Line) -> None:
    name = line.take("value", "%name = ..., return or }")[1:]
    if name in state.values:
        raise line.error(f"%{name} is defined twice")
    if any(node.op == "output" for node in state.program.graph.nodes):
        raise line.error("a value is defined after return")
    line.expect("=")
    op = line.take("word", "an op, or one of " + ", ".join(_KINDS))
    node = _placeholder(state, line, op, name) if op in _KINDS else _call(state, line, op)
    state.values[name] = node
    line.expect(":")
    if not line.accept("?"):
        node.meta["val"] = _type(line)
    if op == "constant" and line.accept("="):
        state.program.constants[node.name] = _constant(line, node.meta.get("val"))
    _place(line, node)


def _placeholder(state: _State, line: Line, kind: str, name: str) -> fx.Node:
    bound = line.string(f"the name of the {kind}")
    frozen = line.accept("frozen")
    aliases = tuple(line.strings("the tied name")) if line.accept("tied") else ()
    node = state.program.graph.placeholder(name.replace(".", "_"))
    reason = line.string("why it is left out") if line.accept("left") else ""
    trainable = kind == "param" and not frozen
    state.program.bindings[node.name] = Binding(kind, bound, trainable, aliases, reason)  # type: ignore[arg-type]
    return node


def _call(state: _State, line: Line, op: str) -> fx.Node:
    target = text_target(op)
    if target is None:
        raise line.error(
            f"there is no op {op}",
            hint="ops are aten.NAME.OVERLOAD, gmn.NAME (gmn_fx.ir.ops) and getitem",
        )
    line.expect("(")
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    while not line.accept(")"):
        key = _keyword(line)
        if key is not None:
            kwargs[key] = _value(state, line)
        elif kwargs:
            raise line.error("a positional argument after one with a name")
        else:
            args.append(_value(state, line))
        if not line.accept(","):
            line.expect(")")
            break
    node = state.program.graph.call_function(target, tuple(args), kwargs)
    _extras(state, line, node)
    return node


def _keyword(line: Line) -> str | None:
    following = line.tokens[line.at + 1] if line.at + 1 < len(line.tokens) else ("end", "")
    if line.peek()[0] == "word" and following == ("mark", "="):
        name = line.next()[1]
        line.next()
        return name
    return None


def _extras(state: _State, line: Line, node: fx.Node) -> None:
    if not line.accept("{"):
        return
    while not line.accept("}"):
        key = _keyword(line)
        if key == "params":
            pairs = dict(_value(state, line))
            node.meta["leaf"] = {"key": node.args[0], "module": None, "fn": None, "params": pairs}
        elif key == "torch_fn":
            # The first entry only numbers the calls; nothing reads it.
            node.meta["torch_fn"] = ("", line.string("the torch function"))
        else:
            raise line.error(f"unknown attribute {key or line.found()}")
        if not line.accept(","):
            line.expect("}")
            break


def _node(state: _State, line: Line) -> fx.Node:
    name = line.take("value", "a value like %0")[1:]
    if name not in state.values:
        raise line.error(f"%{name} is not defined above this line")
    return state.values[name]


def _value(state: _State, line: Line) -> Any:
    kind, text = line.peek()
    if kind == "value":
        return _node(state, line)
    if kind == "mark" and text in "[(":
        line.next()
        items = _items(state, line, "]" if text == "[" else ")")
        return items if text == "[" else tuple(items)
    return _literal(state, line)


def _items(state: _State, line: Line, close: str) -> list[Any]:
    items: list[Any] = []
    while not line.accept(close):
        items.append(_value(state, line))
        if not line.accept(","):
            line.expect(close)
            break
    return items


def _literal(state: _State, line: Line) -> Any:
    kind, text = line.peek()
    if kind == "string":
        return line.string("a string")
    if kind == "number":
        line.next()
        return int(text) if text.lstrip("-").isdigit() else float(text)
    if kind == "word":
        line.next()
        if text in _WORDS:
            return _WORDS[text]
        if text in ("device", "complex", "slice"):
            return _built(state, line, text)
        constant = torch_constant(text.removeprefix("torch."))
        if text.startswith("torch.") and constant is not None:
            return constant
        # `inf` and `nan` start like words; the scanner has read signed ones as numbers already.
        line.at -= 1
    raise line.error(f"expected a value, found {line.found()}")


def _built(state: _State, line: Line, what: str) -> Any:
    line.expect("(")
    items = _items(state, line, ")")
    makers = {"device": torch.device, "complex": complex, "slice": slice}
    try:
        return makers[what](*items)
    except (TypeError, ValueError, RuntimeError) as error:
        raise line.error(f"bad {what}: {error}") from error


def _type(line: Line) -> Any:
    kind, text = line.peek()
    if kind == "mark" and text in "[(":
        line.next()
        close = "]" if text == "[" else ")"
        types: list[Any] = []
        while not line.accept(close):
            types.append(_type(line))
            if not line.accept(","):
                line.expect(close)
                break
        return types if text == "[" else tuple(types)
    dtype = word_dtype(text) if kind == "word" else None
    if dtype is None:
        return _literal(_State(Program(fx.Graph(), {})), line)
    line.next()
    line.expect("[")
    shape = _items(_State(Program(fx.Graph(), {})), line, "]")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise line.error(f"bad shape {shape}")
    return torch.empty(shape, dtype=dtype, device="meta")


def _constant(line: Line, like: Any) -> torch.Tensor:
    if not isinstance(like, torch.Tensor):
        raise line.error("a constant with a value needs a tensor type")
    try:
        if line.accept("data"):
            return _data(line, like)
        line.expect("[")
        items = _items(_State(Program(fx.Graph(), {})), line, "]")
        return torch.tensor(items, dtype=like.dtype).reshape(like.shape)
    except (RuntimeError, TypeError, ValueError, zlib.error, binascii.Error) as error:
        raise line.error(f"bad value of the constant: {error}") from error


def _data(line: Line, like: torch.Tensor) -> torch.Tensor:
    size = like.numel() * like.element_size()
    # The size is known: never inflate more than that, whatever the text holds.
    inflate = zlib.decompressobj()
    raw = inflate.decompress(base64.b64decode(line.string("the data"), validate=True), size + 1)
    if len(raw) != size:
        raise ValueError(f"{size} bytes expected, {len(raw)} found")
    return torch.frombuffer(bytearray(raw), dtype=like.dtype).reshape(like.shape)


def _place(line: Line, node: fx.Node) -> None:
    module, cls, source = "", "", ""
    if line.accept("@"):
        module = line.string("the module's path")
        kind, _ = line.peek()
        cls = line.next()[1] if kind == "word" else line.string("the module's class")
        source = "" if line.done else line.string("the source line")
    node.meta.update(module=module, module_class=cls, source=source)

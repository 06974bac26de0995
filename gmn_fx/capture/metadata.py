"""Read module path, class and source line off the nodes that torch traced."""

from __future__ import annotations

import inspect
import re
from typing import Any

from torch import fx, nn

from gmn_fx.capture.source import source_line
from gmn_fx.capture.traced import Origin

_REPEAT = re.compile(r"@\d+$")


def qualified(cls: type | str) -> str:
    """`package.module.Class`, as torch.export spells it."""
    return cls if isinstance(cls, str) else f"{cls.__module__}.{cls.__qualname__}"


def model_file(model: nn.Module) -> str:
    """The file in which the model's class is written, "" if it has none."""
    try:
        return inspect.getsourcefile(type(model)) or ""
    except (OSError, TypeError):
        return ""


def origin_of(node: fx.Node, model: nn.Module, prefix: str = "") -> Origin:
    """Module path, class and source line of a traced node, from torch's own metadata."""
    path, cls = _module(node.meta.get("nn_module_stack"), prefix)
    if not path:
        cls = qualified(type(model))
    line = source_line(node.meta.get("stack_trace"), model_file(model))
    return Origin(path, cls, line, node.meta.get("torch_fn"))


def _module(stack: Any, prefix: str) -> tuple[str, str]:
    """The innermost entry of a module stack; repeated calls (`layer@1`) lose their number."""
    if not stack:
        return "", ""
    path, cls = list(stack.values())[-1]
    path = _REPEAT.sub("", path)
    root = prefix.rstrip(".")
    if root and (path == root or path.startswith(prefix)):
        path = path[len(prefix) :]
    return path, qualified(cls)

"""Know which submodule is running, for rungs whose tracer does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.fx import traceback as fx_traceback
from torch.nn.modules import module as nn_module

from gmn_fx.capture.metadata import qualified
from gmn_fx.capture.traced import ORIGIN_KEY


@dataclass
class ModulePath:
    """The stack of (dotted path, class) of the modules being called."""

    stack: list[tuple[str, str]] = field(default_factory=list)

    @property
    def top(self) -> tuple[str, str]:
        """Path and class of the innermost running module of the model."""
        return self.stack[-1] if self.stack else ("", "")


@contextmanager
def tracked(model: nn.Module, *, annotate: bool = False) -> Iterator[ModulePath]:
    """Follow module calls through global hooks, so that no module is touched.

    With `annotate`, every traced node is stamped with the path, for `make_fx`.
    """
    paths = {id(m): (path, qualified(type(m))) for path, m in reversed(list(model.named_modules()))}
    where = ModulePath()
    stamps: list[AbstractContextManager[Any]] = []

    def enter(module: nn.Module, _args: Any) -> None:
        entry = paths.get(id(module))
        if entry is None:
            return
        where.stack.append(entry)
        if annotate:
            stamps.append(fx_traceback.annotate({ORIGIN_KEY: "\n".join(entry)}))
            stamps[-1].__enter__()

    def leave(module: nn.Module, _args: Any, _output: Any) -> None:
        if id(module) not in paths or not where.stack:
            return
        where.stack.pop()
        if annotate:
            stamps.pop().__exit__(None, None, None)

    handles = [
        nn_module.register_module_forward_pre_hook(enter),
        nn_module.register_module_forward_hook(leave, always_call=True),
    ]
    try:
        yield where
    finally:
        for handle in handles:
            handle.remove()
        for stamp in reversed(stamps):
            stamp.__exit__(None, None, None)

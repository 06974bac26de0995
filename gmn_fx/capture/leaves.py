"""Keep modules and functions that have a user's rule as one node each.

While capturing, the forward of a matching module (or a matching function) is replaced by a call
of one opaque torch op, which every tracer records as it is; afterwards that op's nodes become
`gmn_fx.ir.ops.leaf`.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from gmn_fx.capture.names import named_tensors
from gmn_fx.errors import CaptureError

_LIBRARY = torch.library.Library("gmn_fx", "FRAGMENT")
_LIBRARY.define("leaf(Tensor[] tensors, str key) -> Tensor[]")


@dataclass(frozen=True)
class Call:
    """One call of a leaf: what is called, and how its flat tensors become arguments.

    params: local names of the module's parameters and buffers, the first of the flat tensors.
    leaves: the flattened positional arguments; tensors stand as `TENSOR`.
    """

    key: str
    module: nn.Module | None
    fn: Callable[..., Any]
    params: tuple[str, ...]
    leaves: tuple[Any, ...]
    spec: Any

    def arguments(self, tensors: list[Any]) -> tuple[Any, ...]:
        """The call's positional arguments around `tensors` (or fx nodes)."""
        rest = iter(tensors[len(self.params) :])
        filled = [next(rest) if leaf is TENSOR else leaf for leaf in self.leaves]
        return tuple(pytree.tree_unflatten(filled, self.spec))

    def run(self, tensors: list[torch.Tensor]) -> Any:
        """Execute the original."""
        args = self.arguments(tensors)
        if self.module is None:
            return self.fn(*args)
        own = dict(zip(self.params, tensors, strict=False))
        return torch.func.functional_call(self.module, own, args)


class _Tensor:
    """The type of `TENSOR`, the place of a tensor among a call's arguments."""

    def __repr__(self) -> str:
        return "TENSOR"


TENSOR = _Tensor()


@dataclass
class LeafTable:
    """The calls of one capture, by the key that the opaque op carries."""

    calls: dict[str, Call] = field(default_factory=dict)
    single: dict[str, bool] = field(default_factory=dict)
    running: bool = False

    def call(self, key: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Run a leaf's original; its results are copies, as an op's must be."""
        before, self.running = self.running, True
        try:
            result = self.calls[key].run(tensors)
        finally:
            self.running = before
        self.single[key] = isinstance(result, torch.Tensor)
        return [t.clone() for t in _flat_results(result, self.calls[key].key)]


_TABLE: ContextVar[LeafTable] = ContextVar("gmn_fx_leaf_calls")


def _run_leaf(tensors: list[torch.Tensor], key: str) -> list[torch.Tensor]:
    return _TABLE.get().call(key, list(tensors))


_LIBRARY.impl("leaf", _run_leaf, "CompositeExplicitAutograd")
torch.library.register_fake("gmn_fx::leaf", _run_leaf, lib=_LIBRARY)


def _flat_results(result: Any, key: str) -> list[torch.Tensor]:
    results = [result] if isinstance(result, torch.Tensor) else result
    if isinstance(results, (tuple, list)) and all(isinstance(r, torch.Tensor) for r in results):
        return list(results)
    raise CaptureError(
        f"leaf {key!r} returns {type(result).__name__}; a layer with its own rule must return a "
        "tensor or a flat tuple of tensors",
        hint="put the rule on an inner layer that does",
    )


def leaf_class(module: nn.Module, classes: Iterable[type]) -> type | None:
    """The class with a rule for `module`: along the MRO, down to the owner of `forward`."""
    wanted = set(classes)
    for cls in type(module).__mro__:
        if cls in wanted:
            return cls
        if "forward" in vars(cls):
            return None
    return None


@contextmanager
def leaves_kept(model: nn.Module, leaves: Iterable[Any]) -> Iterator[LeafTable]:
    """Inside the block, matching modules and functions trace as one opaque op each."""
    listed = list(leaves)
    classes = [c for c in listed if isinstance(c, type) and issubclass(c, nn.Module)]
    functions = [f for f in listed if isinstance(f, FunctionType) and not _is_torch(f)]
    table = LeafTable()
    undo: list[Callable[[], None]] = []
    token = _TABLE.set(table)
    try:
        for path, module in model.named_modules():
            if classes and leaf_class(module, classes) is not None:
                undo.append(_patch_module(table, path, module))
        for function in functions:
            undo += _patch_function(table, function)
        yield table
    finally:
        for step in reversed(undo):
            step()
        _TABLE.reset(token)


def _is_torch(function: FunctionType) -> bool:
    """Torch's own functions are looked up by `meta["torch_fn"]`; they need no leaf."""
    return function.__module__.partition(".")[0] == "torch"


def _patch_module(table: LeafTable, path: str, module: nn.Module) -> Callable[[], None]:
    original = module.forward
    had = vars(module).get("forward")
    module.forward = _wrapper(table, path or type(module).__name__, original, module)

    def undo() -> None:
        if had is None:
            vars(module).pop("forward", None)
        else:
            module.forward = had

    return undo


def _patch_function(table: LeafTable, function: FunctionType) -> list[Callable[[], None]]:
    """Replace a function under every global name that it goes by."""
    key = f"{function.__module__}.{function.__qualname__}"
    wrapper = _wrapper(table, key, function, None)
    spaces = [vars(m) for m in list(sys.modules.values()) if hasattr(m, "__dict__")]
    unique = {id(s): s for s in [*spaces, function.__globals__]}
    undo: list[Callable[[], None]] = []
    for space in unique.values():
        for name in [n for n, v in list(space.items()) if v is function]:
            space[name] = wrapper
            undo.append(functools.partial(space.__setitem__, name, function))
    return undo


def _wrapper(
    table: LeafTable, key: str, original: Callable[..., Any], module: nn.Module | None
) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if table.running:
            return original(*args, **kwargs)
        leaves, spec = pytree.tree_flatten(_positional(key, original, args, kwargs))
        own = {} if module is None else named_tensors(module)
        marked = tuple(TENSOR if isinstance(v, torch.Tensor) else v for v in leaves)
        name = f"{key}@{len(table.calls)}"
        table.calls[name] = Call(key, module, original, tuple(own), marked, spec)
        tensors = [*own.values(), *(v for v in leaves if isinstance(v, torch.Tensor))]
        results = torch.ops.gmn_fx.leaf.default(tensors, name)
        return results[0] if table.single[name] else tuple(results)

    return call


def _positional(
    key: str, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """All arguments as positional ones, the way a rule receives them."""
    if not kwargs:
        return args
    bound = inspect.signature(original).bind(*args, **kwargs)
    bound.apply_defaults()
    if any(bound.kwargs.values()):
        raise CaptureError(
            f"leaf {key!r} is called with keyword-only arguments {sorted(bound.kwargs)}",
            hint="make them positional, or put the rule on an inner layer",
        )
    return bound.args

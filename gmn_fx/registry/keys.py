"""Keys of rules: which objects may be one, how they are spelled, and those of a node."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from gmn_fx.errors import AuthorError
from gmn_fx.ir import ops
from gmn_fx.ir.keys import module_keys

_METHOD_KINDS = frozenset({"method_descriptor", "method", "wrapper_descriptor"})


def keys_of(node: fx.Node) -> tuple[object, ...]:
    """What a rule for `node` may be registered on, most specific first.

    - a leaf module: its classes, down to the one that owns `forward`; a leaf function: itself;
    - an ATen op: its overload, its packet, then the torch function or tensor method that the user
      called, if that is the same operation by name (`chunk` that became `split` is not);
    - last, `torch.Tag.pointwise` for an ATen op that PyTorch itself declares elementwise;
    - any other function: itself.
    """
    if node.op != "call_function":
        return ()
    leaf = node.meta.get("leaf")
    if leaf is not None:
        module, fn = leaf.get("module"), leaf.get("fn")
        return module_keys(module) if module is not None else (fn,) if fn is not None else ()
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        pointwise = (torch.Tag.pointwise,) if torch.Tag.pointwise in target.tags else ()
        return (target, target.overloadpacket, *_torch_level(node, target), *pointwise)
    return (target,)


def _torch_level(node: fx.Node, target: torch._ops.OpOverload) -> Iterator[object]:
    torch_fn = node.meta.get("torch_fn")
    if not torch_fn or target.namespace != "aten":
        return
    kind, _, name = str(torch_fn[1]).partition(".")
    if name.strip("_") != target.overloadpacket.__name__:
        return
    if kind in _METHOD_KINDS:
        homes: tuple[Any, ...] = (torch.Tensor, operator)
    else:
        homes = (torch, nn.functional)
    for home in homes:
        found = getattr(home, name.strip("_"), None)
        # `torch.relu` (builtin) and `F.relu` (function) are two keys: tell them by their type.
        if found is not None and (home in (torch.Tensor, operator) or _kind(found) == kind):
            yield found


def _kind(obj: object) -> str:
    return type(obj).__name__


def spell(key: object) -> str:
    """How `key` is written in Python: what to put into the decorator."""
    if isinstance(key, torch.Tag):
        return f"torch.Tag.{key.name}"
    if isinstance(key, torch._ops.OpOverload):
        return f"torch.ops.{key}"
    if isinstance(key, torch._ops.OpOverloadPacket):
        namespace, _, name = key._qualified_op_name.partition("::")
        return f"torch.ops.{namespace}.{name}"
    name = getattr(key, "__qualname__", None) or getattr(key, "__name__", None) or repr(key)
    public = _public_home(key, name.rpartition(".")[2])
    if public:
        return public
    home = getattr(key, "__module__", None) or ""
    return f"{home}.{name}" if home not in ("", "builtins") else str(name)


def _public_home(key: object, name: str) -> str:
    """Where users find an object of torch; its `__module__` is often a private one."""
    homes = (
        (operator, "operator"),
        (torch, "torch"),
        (nn, "torch.nn"),
        (torch.Tensor, "torch.Tensor"),
    )
    for home, path in (*homes, (nn.functional, "torch.nn.functional")):
        if getattr(home, name, None) is key:
            return f"{path}.{name}"
    return ""


def check_key(key: object) -> None:
    """Refuse what can never match a node, with what to write instead."""
    if isinstance(key, str):
        raise AuthorError(
            f"a lowering was registered on the string {key!r}",
            hint="keys are real objects, so that a typing error fails at import: "
            "torch.ops.aten.relu.default, torch.Tensor.view, MyLayer",
        )
    if isinstance(key, nn.Module):
        raise AuthorError(
            f"a lowering was registered on an instance of {type(key).__name__}",
            hint=f"register it on the class: {type(key).__name__}",
        )
    if isinstance(key, type) and not issubclass(key, nn.Module):
        raise AuthorError(
            f"a lowering was registered on the class {spell(key)}, which is not an nn.Module",
            hint="only nn.Module classes are operations of a network",
        )
    if key is nn.Module:
        raise AuthorError(
            "a lowering was registered on nn.Module itself",
            hint="it owns no forward, so no module would ever find it; name the layer's class",
        )
    if not callable(key) and key is not torch.Tag.pointwise:
        raise AuthorError(f"a lowering was registered on {key!r}, which is not callable")
    if _in_place(key):
        raise AuthorError(
            f"a lowering was registered on the in-place {spell(key)}",
            hint="programs are functional: register the variant without the underscore",
        )


def _in_place(key: object) -> bool:
    if isinstance(key, torch.Tag):
        return False
    if isinstance(key, torch._ops.OpOverload):
        return key._schema.is_mutable
    if isinstance(key, type):
        return False
    name = str(getattr(key, "__name__", ""))
    torch_owned = isinstance(key, torch._ops.OpOverloadPacket) or _torch_owned(key)
    return torch_owned and name.endswith("_") and not name.endswith("__")


def _torch_owned(key: object) -> bool:
    home = getattr(key, "__module__", None) or ""
    if isinstance(getattr(key, "__objclass__", None), type):
        return True
    name = getattr(key, "__name__", "")
    return home.split(".")[0] in ("torch", "_operator", "operator", "math") or (
        getattr(torch, str(name), None) is key
    )


def is_leaf_class(key: object) -> bool:
    """Whether capture must keep modules of this class whole."""
    return isinstance(key, type) and issubclass(key, nn.Module)


def is_leaf_function(key: object) -> bool:
    """Whether capture must keep calls of this function whole: a plain Python one, not torch's."""
    if isinstance(key, type | torch.Tag | torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        return False
    return not _torch_owned(key) and getattr(key, "__module__", "") != ops.__name__

"""Which of a model's outputs are kept, and under which names."""

from __future__ import annotations

from typing import Any

from gmn_fx.capture.names import child_keys, children_of


def named_outputs(spec: Any) -> tuple[list[str | None], tuple[str, ...]]:
    """A name for each output leaf, None for those that are dropped, and notes on the dropped.

    Key-value caches are state of a generation loop, not outputs of the network.
    """
    if spec.is_leaf():
        return ["output"], ()
    names: list[str | None] = []
    dropped: list[str] = []
    _walk(spec, "", names, dropped)
    notes = tuple(f"output {name!r} is a key-value cache and was dropped" for name in dropped)
    return names, notes


def _walk(spec: Any, prefix: str, names: list[str | None], dropped: list[str]) -> None:
    for key, child in zip(child_keys(spec), children_of(spec), strict=True):
        name = _join(prefix, key)
        if key == "past_key_values" or _is_cache(child):
            if child.num_leaves:
                dropped.append(name)
            names += [None] * child.num_leaves
        elif child.is_leaf():
            names.append(name)
        else:
            _walk(child, name, names, dropped)


def _join(prefix: str, key: Any) -> str:
    if isinstance(key, str):
        return f"{prefix}.{key}" if prefix else key
    return f"{prefix or 'output'}[{key}]"


def _is_cache(spec: Any) -> bool:
    kind = spec.type
    if spec.is_leaf() or not isinstance(kind, type):
        return False
    bases = (c for c in kind.__mro__ if c.__module__.startswith("transformers"))
    return any(c.__name__ == "Cache" for c in bases)

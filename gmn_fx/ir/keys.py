"""The classes under which a module's lowering rule may be registered.

Capture (which keeps such modules as leaves) and the rule table must agree, so both ask here.
"""

from __future__ import annotations

from torch import nn


def module_keys(module: nn.Module) -> tuple[type[nn.Module], ...]:
    """The classes of `module`'s MRO down to the one that owns `forward`, most specific first.

    A subclass without its own `forward` is the same operation and finds its parent's rule; one
    that overrides `forward` computes something else and must not find it.
    """
    keys: list[type[nn.Module]] = []
    for cls in type(module).__mro__:
        if not issubclass(cls, nn.Module) or cls is nn.Module:
            continue
        keys.append(cls)
        if "forward" in vars(cls):
            break
    return tuple(keys)

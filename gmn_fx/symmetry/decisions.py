"""What Python decided by looking at tensors: recorded once, and decided the same way again.

A graph that was captured on real values (rung "concrete" or "record") stands for the path that the
example takes. Random weights may take another one; to judge the graph, the network is held on that
of the example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

_READS = frozenset(
    {
        Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.item,
        Tensor.tolist,
    }
)  # fmt: skip


class Recorded(TorchFunctionMode):
    """Notes every number that Python reads off a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _READS:
            self.seen.append(result)
        return result


class Replayed(TorchFunctionMode):
    """Gives the recorded numbers instead of those in the tensors, in the same order."""

    def __init__(self, seen: Sequence[Any]) -> None:
        super().__init__()
        self.left = list(reversed(seen))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func not in _READS or not self.left:
            return func(*args, **(kwargs or {}))
        return self.left.pop()


__all__ = ["Recorded", "Replayed"]

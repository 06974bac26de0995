"""Take the branch that the example takes: structured control flow for the concrete rungs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def specialised_control_flow() -> Iterator[list[str]]:
    """Inside the block `torch.cond` runs one branch in plain Python; what was fixed is noted."""
    notes: list[str] = []
    saved = torch.cond

    def cond(
        pred: Any,
        true_fn: Callable[..., Any],
        false_fn: Callable[..., Any],
        operands: Any = (),
    ) -> Any:
        taken = bool(pred)
        notes.append(f"torch.cond was fixed to its {'true' if taken else 'false'} branch")
        return (true_fn if taken else false_fn)(*operands)

    torch.cond = cond
    try:
        yield notes
    finally:
        torch.cond = saved

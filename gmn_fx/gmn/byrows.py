"""Work on tables of nodes, some rows at a time; backward computes each part again.

Beside a stream, which keeps nothing of edges, what takes memory are the tables of the nodes and all
that autograd would save between them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gmn_fx.gmn.scratch import room

Work = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class Rows:
    """What is done: `work(low, high, *rows, *shared)` with the rows low .. high - 1.

    step: how many rows at a time. random: `work` draws random numbers. tables: number of its
    arguments that are cut. params: the parameters that it reads.
    """

    work: Work
    count: int
    step: int
    tables: int
    random: bool
    params: tuple[Tensor, ...]

    def parts(self) -> Iterator[tuple[int, int]]:
        """First and last + 1 of each part."""
        for low in range(0, self.count, self.step):
            yield low, min(self.count, low + self.step)

    def on(self, low: int, high: int, given: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        """The results for a part."""
        cut = [None if t is None else t[:, low:high] for t in given[: self.tables]]
        return self.work(low, high, *cut, *given[self.tables :])


def by_rows(rows: Rows, given: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """The results of all rows, [B, count, width] each.

    given: the tables [B, count, width], then what every part reads.
    """
    if not torch.is_grad_enabled():
        return _run(rows, given)
    return _ByRows.apply(rows, *given, *rows.params)  # type: ignore[no-any-return]


def _run(rows: Rows, given: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    whole: list[Tensor] = []
    for low, high in rows.parts():
        found = rows.on(low, high, given)
        if not whole:
            whole = [_table(t, rows.count) for t in found]
        for table, part in zip(whole, found, strict=True):
            table[:, low:high] = part
    return tuple(whole)


class _ByRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Rows, *tensors: Any) -> Any:
        given = tensors[: len(tensors) - len(rows.params)]
        ctx.rows, ctx.count = rows, len(given)
        ctx.modes = _Modes.now(rows, tensors)
        ctx.save_for_backward(*given)
        return _run(rows, given)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *above: Any) -> Any:
        rows: Rows = ctx.rows
        given: tuple[Tensor | None, ...] = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:]
        totals: list[Tensor | None] = [None] * len(wanted)
        with ctx.modes.again():
            for low, high in rows.parts():
                _part(rows, low, high, given, above, wanted, totals)
        return (None, *totals)


def _part(
    rows: Rows, low: int, high: int, given: tuple[Tensor | None, ...], above: Sequence[Any],
    wanted: Sequence[bool], totals: list[Tensor | None],
) -> None:  # fmt: skip
    """Add the gradients of one part to `totals`."""
    leaves = [
        None if t is None else (t[:, low:high] if i < rows.tables else t).detach()
        for i, t in enumerate(given)
    ]
    for leaf, needed in zip(leaves, wanted, strict=False):
        if leaf is not None:
            leaf.requires_grad_(needed)
    with torch.enable_grad():
        found = rows.work(low, high, *leaves)
    pairs = [(t, g[:, low:high]) for t, g in zip(found, above, strict=True) if g is not None]
    places = [i for i, needed in enumerate(wanted) if needed]
    reads = [t for t, needed in zip([*leaves, *rows.params], wanted, strict=True) if needed]
    grads = torch.autograd.grad(
        [t for t, _ in pairs], [t for t in reads if t is not None],
        [g for _, g in pairs], allow_unused=True,
    )  # fmt: skip
    for i, g in zip(places, grads, strict=True):
        if g is None:
            continue
        held = totals[i]
        if i < rows.tables:
            if held is None:
                held = totals[i] = _table(g, rows.count).zero_()
            held[:, low:high] = g
        else:
            totals[i] = g if held is None else held + g  # g may be that of several inputs


def _table(like: Tensor, count: int) -> Tensor:
    batch, _, width = like.shape
    return room(batch * count, width, like).view(batch, count, width)


@dataclass(frozen=True)
class _Modes:
    """Random numbers as they were in forward; no autocast, as there."""

    device: str
    seed: Tensor | None

    @classmethod
    def now(cls, rows: Rows, tensors: Sequence[Any]) -> _Modes:
        device = next(t.device for t in tensors if t is not None)
        seed = None
        if rows.random:
            cuda = device.type == "cuda"
            seed = torch.cuda.get_rng_state(device) if cuda else torch.get_rng_state()
        return cls(device.type, seed)

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.autocast(self.device, enabled=False))
            if self.seed is not None:
                stack.enter_context(torch.random.fork_rng(enabled=True))
                cuda = self.device == "cuda"
                (torch.cuda.set_rng_state if cuda else torch.set_rng_state)(self.seed)
            yield

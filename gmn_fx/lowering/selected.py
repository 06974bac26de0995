"""Calling a rule on values that an index which names neurons selects or sorts: experts.

Which expert a token meets is data, but what each expert computes is not. Weights that are chosen by
such an index stay a list of options, one for each expert (`Selected`); a rule that treats its
operands alike everywhere (`each_option`) runs once for each of them, so that every expert has units
of its own. Whatever else is done to the value first makes it one: the sum over the experts of
"is it chosen?" times the option.

Rows that were sorted by the index remember it (`Order`). A rule that treats all rows alike keeps
that (`rows_alike`); after the inverse permutation it is gone. Any other rule would see which expert
comes first, and so pins the experts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from gmn_fx.lowering.axes import broadcast, compress, core, full, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.choice import members_of, plain
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import product
from gmn_fx.lowering.reduce import reduce
from gmn_fx.lowering.values import Act, Const, Order, Par, Selected, Value

F = TypeVar("F", bound=Callable[..., Any])


def each_option(rule: F) -> F:
    """Mark a rule that may run on each option of a selected value by itself."""
    rule.each_option = True  # type: ignore[attr-defined]
    return rule


def rows_alike(rule: F) -> F:
    """Mark a rule that does the same to all rows, which the first axis of its operands numbers."""
    rule.rows_alike = lambda *_, **__: True  # type: ignore[attr-defined]
    return rule


def rows_alike_along(dims: Callable[..., Sequence[int] | int | None]) -> Callable[[F], F]:
    """The same for a rule that mixes along some axes, as long as the first is not one of them.

    dims: of the operands of the rule (without the builder), these axes; None for all.
    """

    def apart(x: Any, *args: Any, **kwargs: Any) -> bool:
        found = dims(x, *args, **kwargs)
        listed = [found] if isinstance(found, int) else found or [0]
        return all(d % max(len(x.shape), 1) for d in listed)

    def mark(rule: F) -> F:
        rule.rows_alike = apart  # type: ignore[attr-defined]
        return rule

    return mark


def reads_selected(rule: F) -> F:
    """Mark a rule that knows what to do with selected values and sorted rows."""
    rule.reads_selected = True  # type: ignore[attr-defined]
    return rule


def call(b: Builder, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run the rule `fn` on whatever its operands are."""
    if getattr(fn, "reads_selected", False):
        return fn(b, *args, **kwargs)
    found = list(_found((args, kwargs), Selected))
    if not found:
        return _on_rows(b, fn, args, kwargs)
    each = getattr(fn, "each_option", False)
    if each and len(found) == 1 and not any(_found((args, kwargs), Act, Par)):
        return _moved(b, fn, args, kwargs, found[0])
    kept = _kept(found) if each else None
    if kept is None:
        args, kwargs = (_mapped(part, lambda s: united(b, s)) for part in (args, kwargs))
        return _on_rows(b, fn, args, kwargs)

    def other(s: Selected) -> Any:
        return s if s.choice is kept.choice else united(b, s)

    args, kwargs = (_mapped(part, other) for part in (args, kwargs))
    results = []
    for number in range(len(kept.options)):

        def option(s: Selected, number: int = number) -> Value:
            return s.options[number]

        results.append(_on_rows(b, fn, _mapped(args, option), _mapped(kwargs, option)))
    return _collected(kept, results)


def _moved(b: Builder, fn: Callable[..., Any], args: Any, kwargs: Any, value: Selected) -> Any:
    """A rule of one operand, on each option; untouched rows of a table stay that, moved."""
    node = b.node

    def run(one: Value) -> Any:
        return _on_rows(b, fn, *(_mapped(part, lambda _: one) for part in (args, kwargs)))

    def whole() -> Act:
        here, b.node = b.node, node
        try:
            return run(value.whole())  # type: ignore[misc]
        finally:
            b.node = here

    made = _collected(value, [run(option) for option in value.options])
    if value.whole is None or not isinstance(made, Selected):
        return made if value.whole is None else run(value.whole())
    return replace(made, whole=whole)


def _kept(found: Sequence[Selected]) -> Selected | None:
    """The value by whose options the rule runs: of several choices that of a weight.

    None where all are untouched rows of tables, which are activations like any embedding.
    """
    live = [s for s in found if s.whole is None]
    weights = [s for s in live if isinstance(s.options[0], Par)]
    return next(iter([*weights, *live]), None)


def _collected(like: Selected, results: Sequence[Any]) -> Any:
    if isinstance(results[0], (tuple, list)):
        return tuple(_collected(like, parts) for parts in zip(*results, strict=True))
    return Selected(tuple(results[0].shape), tuple(results), like.choice, like.past)


def united(b: Builder, value: Any) -> Any:
    """A selected value as one activation; anything else as it is."""
    if not isinstance(value, Selected):
        return value
    if value.whole is not None:
        return value.whole()
    acts = [b.canonical(b.as_act(option)) for option in value.options]
    acts = [product(b, x, x.factors) for x in acts]
    if not all(x.factors for x in acts):
        acts = [x if x.factors else b.with_pinned(x, []) for x in acts]
    shape = (len(acts), *value.shape)
    wide = b.act(shape, [_stacked([x.factors[0] for x in acts])])
    wide = replace(wide, hist=_stacked([x.hist for x in acts]))
    ids = members_of(b, value.choice).reshape(-1, *(1 for _ in value.shape))
    chosen = b.act(ids.shape, [ids])
    chosen = replace(chosen, hist=full(value.past, ids.shape))
    both = join(b, [wide, chosen], shape, Spec("select", (0, 1)))
    out = b.placed(reduce(b, both, [0], "select", keepdim=False))
    return replace(out, order=acts[0].order)


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Tensors of one shape on a new first axis, without memory where none of them varies."""
    axes = frozenset[int]().union(*(varying(t) for t in parts))
    shape = [n if a in axes else 1 for a, n in enumerate(parts[0].shape)]
    stack = torch.stack([broadcast(core(t), shape) for t in parts])
    return compress(stack.expand(len(parts), *parts[0].shape))


def _on_rows(b: Builder, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run `fn` where rows may have been sorted."""
    sorted_ = [x for x in _found((args, kwargs), Act) if x.order is not None]
    if not sorted_:
        return _plainly(b, fn, args, kwargs)
    orders = {x.order for x in sorted_}
    alike = getattr(fn, "rows_alike", None)
    if alike is None or len(orders) > 1 or not alike(*args, **kwargs):
        return _plainly(b, fn, plain(b, args), plain(b, kwargs))
    bare = [_mapped(part, lambda x: replace(x, order=None), Act) for part in (args, kwargs)]
    result = _plainly(b, fn, *bare)
    order = sorted_[0].order
    assert order is not None
    if order.role == "rows" and not _same_rows(sorted_[0], (args, kwargs), result):
        plain(b, sorted_)
        return result
    return _mapped(result, lambda x: replace(x, order=order), Act)


def _plainly(b: Builder, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    if not getattr(fn, "reads_choices", False):
        args, kwargs = plain(b, args), plain(b, kwargs)
    return fn(b, *args, **kwargs)


def _same_rows(first: Act, operands: Any, result: Any) -> bool:
    """Whether row i of the result comes from row i of the sorted operands, and of nothing else."""
    count = first.shape[0] if first.shape else 0
    for x in _found(operands, Act, Const):
        rows = x.dim if isinstance(x, Act) else len(x.shape)
        aligned = rows == first.dim and x.shape[:1] == (count,) and count > 1
        if aligned and not (isinstance(x, Act) and x.order is not None) and _varies(x):
            return False
    return all(_keeps(first, x, count) for x in _found(result, Act, Const))


def _varies(x: Act | Const) -> bool:
    """Whether rows of something that was not sorted differ."""
    if isinstance(x, Const):
        return x.value is None or 0 in varying(compress(x.value))
    return x.origin is None or 0 in varying(x.origin.move(*_rows_of(x)))


def _rows_of(x: Act) -> list[Tensor]:
    assert x.origin is not None
    return [torch.arange(p.shape[0]).reshape(-1, *(1,) * (p.dim - 1)).expand(p.shape)
            if p.dim else torch.zeros(()) for p in x.origin.parents]  # fmt: skip


def _keeps(first: Act, out: Act | Const, count: int) -> bool:
    """Whether the rows of a result are those of the operand, in their order."""
    if isinstance(out, Const) or not out.shape or out.shape[0] != count:
        return False
    parents = () if out.origin is None else out.origin.parents
    if len(parents) != 1 or parents[0].uid != first.uid:
        return True  # a rule that makes new values numbers rows as its operands do
    moved = out.origin.move(*_rows_of(out))  # type: ignore[union-attr]
    moved = moved if out.origin.pick is None else moved[out.origin.pick]  # type: ignore[union-attr]
    rows = torch.arange(count).reshape(-1, *(1,) * (out.dim - 1))
    return bool((core(moved) == rows).all())


def _found(item: Any, *kinds: type) -> Iterator[Any]:
    """All values of some kinds in nested containers, in order."""
    if isinstance(item, kinds):
        yield item
    elif isinstance(item, dict):
        for part in item.values():
            yield from _found(part, *kinds)
    elif isinstance(item, (list, tuple)):
        for part in item:
            yield from _found(part, *kinds)


def _mapped(item: Any, fn: Callable[[Any], Any], kind: type = Selected) -> Any:
    """Nested containers with `fn` applied to every value of `kind`."""
    if isinstance(item, kind):
        return fn(item)
    if isinstance(item, dict):
        return {key: _mapped(part, fn, kind) for key, part in item.items()}
    if isinstance(item, (list, tuple)):
        return type(item)([_mapped(part, fn, kind) for part in item])
    return item


__all__ = ["Order", "Par", "Value", "call", "each_option", "reads_selected", "rows_alike", "united"]

"""Which factors belong together where values of several factors meet.

In `a x c + a' x c'` (outer products) the factors are added axis by axis: new nodes for a + a', and
new nodes for c + c'. Nothing in these says that a goes with c and a' with c', and a graph that
leaves it open would exchange a and a' alone. So each operand gets a node that reads all of its
factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gmn_fx.lowering.axes import combine_keys, core, cut, rank_first_seen, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.meeting import Leg, Spec
from gmn_fx.lowering.values import Act


def to_tie(b: Builder, xs: Sequence[Act], legs: Sequence[Leg], spec: Spec) -> list[int]:
    """The operands whose factors must be tied, by number.

    Operands that are numbered are told apart by their numbers, and need no tie; nor does a stream
    beside what is added to it, nor operands that differ in one factor only.
    """
    if spec.op == "residual" and len(xs) == 2:
        return []
    plain = [i for i, x in enumerate(xs) if len(x.factors) > 1 and spec.operands[i] < 0]
    if len(plain) < 2:
        return []
    keys = {i: [_key(b, x) for x in legs if x.owner == i] for i in plain}
    shared = set(keys[plain[0]]).intersection(*(keys[i] for i in plain[1:]))
    if all(sum(k not in shared for k in keys[i]) < 2 for i in plain):
        return []
    return plain


def with_own_neurons(b: Builder, xs: Sequence[Act], tied: Sequence[int], op: str) -> list[Act]:
    """Copies of the neurons that stand elsewhere in another operand (a roll, a flip).

    A tie reads sets of neurons; it could not say which of the two places is whose.
    """
    found: dict[int, list[set[int]]] = {
        i: [set(torch.unique(core(b.store.find(f))).tolist()) for f in xs[i].factors] for i in tied
    }
    out = list(xs)
    for i in tied:
        others = [s for j in tied if j != i for s in found[j]]
        factors = []
        for f, mine in zip(xs[i].factors, found[i], strict=True):
            clash = any(mine & s for s in others)
            factors.append(_copied(b, f, op) if clash and len(mine) > 1 else f)
        out[i] = replace(xs[i], factors=tuple(factors))
    return out


def _copied(b: Builder, factor: Tensor, op: str) -> Tensor:
    small = core(factor)
    inverse, first = rank_first_seen(small.reshape(-1).numpy())
    new = b.nodes("neuron", op, (len(first),))
    b.connect(small.reshape(-1)[torch.from_numpy(first)], new, op=op)
    return new[torch.from_numpy(inverse)].reshape(small.shape).expand(factor.shape)


def factor_ties(b: Builder, legs: Sequence[Leg], tied: Sequence[int]) -> dict[int, Tensor]:
    """Operand -> id of the node that ties its factors."""
    return {i: _tie(b, [x for x in legs if x.owner == i]) for i in tied}


def reads_ties(
    b: Builder, legs: Sequence[Leg], ties: dict[int, Tensor], out: Tensor, op: str
) -> None:
    """Edges from the ties of the operands that meet in the neurons `out` into these."""
    for owner in sorted({x.owner for x in legs} & ties.keys()):
        ids = torch.unique(core(out))
        b.connect(ties[owner].expand(ids.shape), ids, op=op, kind="flow")


def _key(b: Builder, leg: Leg) -> tuple[object, ...]:
    """Equal for legs that read the same neurons in the same way."""
    ids, past = core(b.store.find(leg.factor)), core(leg.hist)
    return (tuple(varying(leg.factor)), ids.numpy().tobytes(), past.numpy().tobytes())


def _tie(b: Builder, legs: Sequence[Leg]) -> Tensor:
    """A node that reads every neuron of each leg once for each of its histories."""
    node = b.nodes("product", "outer", ())
    for number, leg in enumerate(legs):
        axes = varying(leg.factor)
        ids, past = torch.broadcast_tensors(cut(leg.factor, axes), cut(leg.hist, axes))
        src, hist = ids.reshape(-1), past.reshape(-1)
        first = torch.from_numpy(rank_first_seen(combine_keys([src.numpy(), hist.numpy()]))[1])
        b.connect(
            src[first], node.expand(len(first)), op="outer", kind="operand",
            hist=hist[first], operand=number,
        )  # fmt: skip
    return node

"""Which factors belong together where values of several factors meet.

In `a x c + a' x c'` (outer products) the factors are added axis by axis: new nodes for a + a', and
new nodes for c + c'. Nothing in these says that a goes with c and a' with c', and a graph that
leaves it open would exchange a and a' alone. So each operand gets a node that reads all of its
factors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gmn_fx.lowering.axes import combine_keys, core, cut, rank_first_seen, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.meeting import Leg, Spec
from gmn_fx.lowering.values import Act


def factor_ties(
    b: Builder, xs: Sequence[Act], legs: Sequence[Leg], spec: Spec
) -> dict[int, Tensor]:
    """Operand -> id of the node that ties its factors, where such a node is needed.

    Operands that are numbered are told apart by their numbers, and need none; nor does a stream
    beside what is added to it, nor operands that differ in one factor only.
    """
    if spec.op == "residual" and len(xs) == 2:
        return {}
    plain = [i for i, x in enumerate(xs) if len(x.factors) > 1 and spec.operands[i] < 0]
    if len(plain) < 2:
        return {}
    keys = {i: [_key(b, x) for x in legs if x.owner == i] for i in plain}
    shared = set(keys[plain[0]]).intersection(*(keys[i] for i in plain[1:]))
    if all(sum(k not in shared for k in keys[i]) < 2 for i in plain):
        return {}
    return {i: _tie(b, [x for x in legs if x.owner == i]) for i in plain}


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

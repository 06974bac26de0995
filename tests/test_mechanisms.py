"""For each mechanism one way in which the graph could lie, and the oracle that notices it.

The models are cases of the zoo, where `test_zoo.py` proves the true graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch

import gmn_fx
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import FREE, NO_HISTORY, Bundle, Group, ParameterGraph
from gmn_fx.symmetry import verify
from tests.zoo import CASES, xfail
from tests.zoo.extracted import graph_of

Damage = Callable[[ParameterGraph], ParameterGraph]


@dataclass(frozen=True)
class Forget:
    """Lose some columns of the bundles whose slot or op is `where` (a pattern).

    Losing operand and history together unites the roles that an op gives its operands.
    """

    columns: str
    where: str

    def __call__(self, graph: ParameterGraph) -> ParameterGraph:
        return replace(graph, bundles=tuple(map(self.edges, graph.bundles)))

    def edges(self, bundle: Bundle) -> Bundle:
        if not any(fnmatchcase(name, self.where) for name in (bundle.slot or "", bundle.op)):
            return bundle
        columns = self.columns.split("+")
        return replace(
            bundle,
            label=FREE if "label" in columns else bundle.label,
            history=NO_HISTORY if "history" in columns else bundle.history,
            operand=-1 if "operand" in columns else bundle.operand,
        )


@dataclass(frozen=True)
class Unpin:
    """Let nodes of one kind change places that may not."""

    kind: str

    def __call__(self, graph: ParameterGraph) -> ParameterGraph:
        return replace(graph, groups=tuple(map(self.nodes, graph.groups)))

    def nodes(self, group: Group) -> Group:
        free = fnmatchcase(group.kind, self.kind)
        return replace(group, label=FREE, pin=FREE) if free else group


@dataclass(frozen=True)
class Shear:
    """Put the elements of a slot on each other's edges: row i is turned by i."""

    slot: str

    def __call__(self, graph: ParameterGraph) -> ParameterGraph:
        return replace(graph, bundles=tuple(map(self.elements, graph.bundles)))

    def elements(self, bundle: Bundle) -> Bundle:
        if bundle.slot != self.slot or bundle.view is None:
            return bundle
        view = bundle.view.expand(bundle.shape).array()
        rows = view.reshape(next(n for n in view.shape if n > 1), -1)
        turned = np.stack([np.roll(row, i) for i, row in enumerate(rows)])
        return replace(bundle, view=IndexMap.from_array(turned.reshape(view.shape)))


@dataclass(frozen=True)
class Turn:
    """Put each element of a slot on the edge of the one before it."""

    slot: str

    def __call__(self, graph: ParameterGraph) -> ParameterGraph:
        return replace(graph, bundles=tuple(map(self.elements, graph.bundles)))

    def elements(self, bundle: Bundle) -> Bundle:
        if bundle.slot != self.slot or bundle.view is None:
            return bundle
        view = bundle.view.expand(bundle.shape).array()
        return replace(bundle, view=IndexMap.from_array(np.roll(view, 1)))


@dataclass(frozen=True)
class Unpair:
    """Lose the edges of one operand of an op, of the second if not said."""

    op: str
    operand: int = 1

    def __call__(self, graph: ParameterGraph) -> ParameterGraph:
        kept = (
            b
            for b in graph.bundles
            if not (fnmatchcase(b.op, self.op) and b.operand == self.operand)
        )
        return replace(graph, bundles=tuple(kept))


@dataclass(frozen=True)
class KeepOne:
    """Forget all edges of a tied slot but those of its first use."""

    slot: str

    def __call__(self, graph: ParameterGraph) -> ParameterGraph:
        first = next(b for b in graph.bundles if b.slot == self.slot)
        kept = tuple(b for b in graph.bundles if b.slot != self.slot or b is first)
        return replace(graph, bundles=kept)


# mechanism -> (case, damage)
LIES: dict[str, tuple[str, Damage]] = {
    "token mixing: ResMLP": ("res-mlp", Unpin("position")),
    "token mixing: einsum": ("einsum-mixer", Shear("tokens")),
    "token mixing: MLP-Mixer": ("mlp-mixer", Shear("tokens1.weight")),
    "token mixing: gMLP": ("gmlp", Unpin("position")),
    "einsum of five operands": ("einsum-five-operands", Shear("b")),
    "einsum with a batch of groups": ("einsum-groups", Shear("weight")),
    "einsum of weights": ("einsum-tucker", Shear("u")),
    "stacked members": ("bmm-ensemble", Shear("down")),
    "bilinear layer": ("bilinear-self", Shear("both.weight")),
    "bilinear and linear": ("neural-tensor", Forget("operand+history", "linear.weight")),
    "stacked experts": ("moe-one-hot", Shear("up")),
    "gathered experts": ("moe-gather", Shear("down")),
    "sorted experts": ("moe-sorted", Unpair("select")),
    "batched experts": ("moe-batched", Shear("down")),
    "soft experts": ("moe-soft", Shear("phi")),
    "selective scan in a loop": ("mamba-loop", Forget("label", "conv.weight")),
    "selective scan by sums": ("mamba-cumsum", Shear("x_proj.weight")),
    "wkv": ("rwkv", Shear("key.weight")),
    "states handed on": ("lstm-encoder-decoder", Forget("history", "mul")),
    "cross-covariance attention": ("xcit", Shear("qkv.weight")),
    "talking heads": ("talking-heads", Forget("operand", "matmul")),
    "talking heads' weights": ("talking-heads", Shear("before.weight")),
    "table of offsets": ("swin-window", Unpin("vocabulary")),
    "shifted windows": ("swin-shifted", Unpin("vocabulary")),
    "buckets of distances": ("t5-buckets", Unpin("vocabulary")),
    "class token's rows": ("beit-table", Unpin("vocabulary")),
    "relative keys": ("shaw-relative", Shear("table")),
    "rotary halves": ("rotary-half-split", Forget("history", "add")),
    "rotary pairs": ("rotary-interleaved", Forget("history", "add")),
    "rotary part": ("rotary-partial", Forget("history", "add")),
    "rotary grid": ("rotary-grid", Forget("history", "add")),
    "learned slopes": ("alibi-learned", Forget("operand+history", "matmul")),
    "learned queries": ("perceiver", Shear("q.weight")),
    "answers of learned queries": ("detr-queries", Shear("queries.weight")),
    "patch merging": ("patch-merging", Forget("label+operand+history", "norm*")),
    "pixel shuffle": ("pixel-unshuffle", Forget("label", "leave.weight")),
    "pixel unshuffle": ("pixel-unshuffle", Forget("label", "middle.weight")),
    "windows by strides": ("strided-windows", Shear("k.weight")),
    "constant between two factors": ("band", Unpair("constant", -1)),
    "learned tokens": ("registers", Forget("label", "concat")),
    "table of coordinates": ("coordinate-bias", Turn("table")),
    "tri-planes": ("tri-planes", Unpin("neuron")),
    "grid by hand": ("dense-grid", Unpin("vocabulary")),
    "hash grid": ("hash-grid", Unpin("vocabulary")),
    "coupling of halves": ("flow-split-coupling", Unpin("*")),
    "coupling by masks": ("flow-mask-coupling", Unpin("*")),
    "autoregressive masks": ("flow-made", Forget("operand+history", "linear")),
    "planar flow": ("flow-planar", Unpin("*")),
    "trace of a weight": ("flow-trace", Shear("inner.weight")),
    "weight standardisation": ("weight-standardised", Forget("label", "2.weight")),
    "weight norm": ("weight-norm-dim-1", Shear("2.parametrizations.weight.original1")),
    "spectral norm": ("spectral-norm-hook", Shear("2.weight_orig")),
    "orthogonal": ("orthogonal-exponential", Shear("2.parametrizations.weight.0.base")),
    "symmetric triangle": (
        "parametrized-symmetric", Turn("2.parametrizations.weight.original")),
    "matrix exponential": ("parametrized-exponential-plain", Unpair("matrix_exp*")),
    "factors that belong together": ("outer-sums", Unpair("outer")),
    "Cayley map": ("parametrized-cayley", Forget("operand", "sub")),
    "inverse": ("inverse-weights", Shear("one")),
    "solution of a system": ("inverse-weights", Shear("two")),
    "determinant": ("flow-two-rotations", Shear("first")),
    "spectral filter": ("global-filter", Turn("filter")),
    "skew weight": ("parametrized-skew-difference", Forget("operand", "sub")),
    "low-rank weight": ("parametrized-low-rank", Shear("2.parametrizations.weight.0.a")),
    "positive weight": ("parametrized-positive", Shear("2.parametrizations.weight.original")),
    "weight times its transpose": ("parametrized-gram", Unpin("input")),
    "symmetric weight": (
        "parametrized-symmetric-mean", KeepOne("2.parametrizations.weight.original")),
    "mirrored kernel": ("mirror-kernel", Unpin("product")),
    "exchangeable weight": ("set-weights", Unpin("constant")),
    "vectors as neurons": ("vector-neurons", Shear("direction.weight")),
    "graph convolution": ("gcn", Shear("second.weight")),
    "graph isomorphism network": ("gin", Forget("label", "inner.weight")),
    "messages from distances": ("egnn", Forget("label", "edge.weight")),
    "feature modulation": ("film-conv", Forget("operand+history", "norm*")),
    "adaptive norm": ("adaptive-norm", Shear("modulate.weight")),
    "hypernetwork": ("hyper-mlp", Shear("make.2.weight")),
    "a kernel for each example": ("cond-conv", Shear("weight")),
    "modulated kernel": ("style-conv", Shear("weight")),
    "kernel for each place": ("involution", Shear("make.weight")),
    "fast weights": ("fast-weights", Shear("query.weight")),
    "tied in parallel": ("tied-parallel", Forget("history", "right.bias")),
    "tied to its transpose": ("tied-own-transpose", KeepOne("weight")),
    "tied in three places": ("tied-three-way", Forget("operand+history", "*")),
    "tied and scaled": ("tied-embedding-scaled", Unpin("*")),
    "tied in slices": ("tied-slices", Shear("weight")),
    "tied kernel": ("tied-kernel", Forget("label", "kernel")),
    "a corner of a weight": ("slimmable", Shear("second.weight")),
    "several shapes": ("shared-over-shapes", Forget("label", "shared.weight")),
    "branch on data": ("branch-on-data", Shear("left.weight")),
    "loop on data": ("early-exit", Forget("history", "step.bias")),
    "frozen": ("frozen-and-unused", Shear("backbone.2.weight")),
}  # fmt: skip


@pytest.mark.parametrize("mechanism", LIES)
def test_lie_is_caught(mechanism: str) -> None:
    """The graph proves itself before the damage; after it the oracle says no."""
    name, damage = LIES[mechanism]
    if name in xfail.MEANING:
        pytest.skip(f"{name} is known to fail")
    graph = graph_of(name)
    broken = damage(graph)
    assert (broken.groups, broken.bundles) != (graph.groups, graph.bundles), "nothing to damage"
    model, args, kwargs = CASES[name].make()
    report = verify(model, broken, args, kwargs, seeds=5, controls=False)
    assert not report.ok, f"nothing noticed what {damage} did to {name}"


@pytest.mark.parametrize("name", ["branch-on-data", "early-exit", "rows-by-mask"])
def test_control_flow_is_noted(name: str) -> None:
    """What was decided on the example is written down in the graph."""
    notes = graph_of(name).notes
    assert any("fixed as on the example inputs" in note for note in notes), notes


def test_what_a_branch_leaves_out_is_named() -> None:
    """The other side of an `if` is reported as unused, not dropped silently."""
    graph = graph_of("branch-on-data")
    assert [s.name for s in graph.slots if not s.used] == ["right.weight", "right.bias"]


def test_frozen_is_not_unused() -> None:
    """A frozen backbone is read and marked; what nothing calls is named; `detach` is no cut."""
    slots = {slot.name: slot for slot in graph_of("frozen-and-unused").slots}
    frozen = [n for n, s in slots.items() if not s.trainable]
    assert frozen == [n for n in slots if n.startswith("backbone.")]
    assert [n for n, s in slots.items() if not s.used] == ["unused.aux.weight", "unused.aux.bias"]


@pytest.mark.parametrize("name", ["gcn", "gin", "gat"])
def test_adjacency_is_data(name: str) -> None:
    """Other edges and more of them: the same graph of parameters."""
    model, (x, _), _ = CASES[name].make()
    other = gmn_fx.extract(model, (x, torch.randint(0, x.shape[0], (2, 11))))
    assert other.signature == graph_of(name).signature

"""Golden files of the zoo: what they hold and where they are.

`tools/update_goldens.py` writes them.
"""

from __future__ import annotations

from pathlib import Path

from gmn_fx.graph.model import ParameterGraph

FOLDER = Path(__file__).with_name("golden")
SUMMARY = FOLDER / "summary.txt"
# Small graphs that show one idea each; they are for reading as much as for comparing.
TEXTS = (
    "mlp-relu", "crelu", "swiglu", "conv-flatten-linear", "conv2d-grouped", "resnet-basic",
    "group-norm", "layer-twice", "tied-autoencoder", "einsum-attention", "encoder-layer", "lstm",
    "moe-dense", "tiny-vit",
    # One for each mechanism of tests/zoo/mechanisms_*.py.
    "einsum-mixer", "einsum-groups", "einsum-diagonal", "bilinear-score", "weight-product",
    "moe-one-hot", "moe-gathered-weights", "moe-soft", "mamba-cumsum", "rwkv", "lru",
    "lstm-encoder-decoder", "xcit", "talking-heads", "swin-shifted", "t5-buckets",
    "rotary-half-split", "rotary-interleaved", "alibi-learned", "detr-queries", "patch-merging",
    "pixel-unshuffle", "dense-grid", "hash-grid", "flow-split-coupling", "flow-trace",
    "weight-standardised", "weight-norm-dim-1", "orthogonal-exponential", "parametrized-positive",
    "parametrized-low-rank", "c4-lifting", "vector-neurons", "gcn", "film-conv", "cond-conv",
    "hyper-mlp", "branch-on-data", "shared-blocks", "tied-two-names", "tied-own-transpose",
    "tied-slices", "tied-embedding-scaled", "frozen-and-unused", "shared-over-shapes",
    "mlp-mixer", "gmlp", "moe-sorted", "moe-batched", "lstm-packed", "beit-table", "perceiver",
    "deformable", "fno-1d", "strided-windows", "flow-glow", "parametrized-symmetric",
    "parametrized-cayley", "inverse-weights", "outer-sums", "band", "registers", "coordinate-bias",
)  # fmt: skip


def summary_line(name: str, graph: ParameterGraph) -> str:
    """Counts and the beginning of the signature."""
    counts = (graph.num_nodes, graph.num_edges, len(graph.bundles))
    return (
        f"{name:30} nodes {counts[0]:6} edges {counts[1]:7} bundles {counts[2]:5} "
        + (graph.signature[:16])
    )


def text_path(name: str) -> Path:
    """Where the text of a case is kept."""
    return FOLDER / f"{name}.params.txt"


def text_of(graph: ParameterGraph) -> str:
    """The text of a graph without the lines of sources, which move with every edit."""
    return graph.to_text(source=False) + "\n"

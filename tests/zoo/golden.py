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

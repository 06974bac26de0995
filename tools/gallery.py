"""The gallery: pictures of parameter graphs of well-known networks, and the page that shows them.

    python -m tools.gallery                    writes docs/gallery.md and docs/images/gallery/*.svg
    python -m tools.gallery --only mlp lstm    some of them; the page keeps the others
    python -m tools.gallery --out FOLDER       elsewhere

A picture is drawn by exactly the lines that the page shows. Weights are random, from a fixed seed.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import gmn_fx
from gmn_fx.errors import UsageError
from tools import gallery_models as models

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = "images/gallery"
SEED = 0

INTRO = """\
# Gallery

Parameter graphs of well-known networks, with random weights. What the marks and colours mean is in
[drawing.md](drawing.md); the networks are plain PyTorch, in
[tools/gallery_models.py](../tools/gallery_models.py). `make gallery` draws all of this again.

Every picture is drawn by the lines beside it, after these:

```python
import torch

import gmn_fx
from tools import gallery_models
```
"""


@dataclass(frozen=True)
class Picture:
    """One picture: the network, how it is drawn, and what a reader sees on it."""

    name: str
    title: str
    make: Callable[[], models.Sample]
    text: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> str:
        """The Python lines that draw it."""
        options = "".join(f", {key}={_literal(value)}" for key, value in self.options.items())
        return "\n".join(
            [
                f"torch.manual_seed({SEED})",
                f"model, inputs = gallery_models.{self.make.__name__}()",
                f'graph = gmn_fx.extract(model, inputs, name="{self.title}")',
                f'gmn_fx.draw(graph, "{self.name}.svg"{options})',
            ]
        )

    def graph(self) -> gmn_fx.ParameterGraph:
        """The graph, by the lines of the page."""
        torch.manual_seed(SEED)
        model, inputs = self.make()
        return gmn_fx.extract(model, inputs, name=self.title)

    def section(self, graph: gmn_fx.ParameterGraph) -> str:
        """What the page says."""
        counts = (len(graph.groups), graph.num_nodes, graph.num_edges)
        said = "{:,} groups, {:,} nodes, {:,} edges".format(*counts)
        shown = f"![Parameter graph of {self.title}]({PICTURES}/{self.name}.svg)"
        code = f"```python\n{self.lines}\n```"
        text = textwrap.fill(self.text, 100, break_long_words=False, break_on_hyphens=False)
        return "\n\n".join([f"## {self.title}", text, code, shown, f"{said}.\n"])


PICTURES_SHOWN = (
    Picture(
        "mlp",
        "MLP",
        models.mlp,
        "A dot is a neuron, a line a weight: blue where it is positive, vermillion where it is "
        "negative, wider for a larger one. Biases are weights of a node that is always 1, the "
        "dark square. Activations make no nodes; they are noted under the weights that come "
        "after them.",
        {"view": "neuron"},
    ),
    Picture(
        "lenet",
        "LeNet",
        models.lenet,
        "A node is a channel, whatever the size of the image: convolution shares its weights "
        "over positions. The 25 weights of a kernel are 25 parallel edges, drawn as one line "
        "that ends in a tile. Of wide layers the hybrid view shows the first and the last "
        "neurons, and between them the strongest weights.",
        {"view": "hybrid"},
    ),
    Picture(
        "resnet-block",
        "Residual block",
        models.resnet_block,
        "The skip runs below from the channels of the stem to the residual sum, channel by "
        "channel: that is why permuting one permutes the other. A batch norm is one edge a "
        "channel, its weight, and edges from three squares: bias, running mean and running "
        "variance. The last two are dashed since nothing trains them.",
        {"view": "neuron"},
    ),
    Picture(
        "attention-block",
        "Attention block",
        models.attention_block,
        "Queries and keys meet in products, which are added up to one score a head; the scores "
        "meet the values in the second products. Pink boxes are heads: they may change places "
        "as wholes, and neurons only within theirs, in queries and keys alike. A layer norm and "
        "a skip around it all.",
        {"view": "neuron"},
    ),
    Picture(
        "lstm",
        "LSTM",
        models.lstm,
        "Hexagons are the hidden state and the cell, the same nodes at every step: recurrence "
        "is a way back. Both linear layers make sixteen neurons, four gates of four, that are "
        "added before the gates multiply.",
        {"view": "neuron"},
    ),
    Picture(
        "vit",
        "Vision transformer",
        models.vit,
        "ViT-B/16. In the architecture view a box is a group of nodes and a solid arrow "
        "parameters. The twelve blocks are alike, so one is drawn. A layer norm has one more "
        "node, the statistics that all channels share. Made on the meta device: structure takes "
        "no weights.",
        {"view": "architecture"},
    ),
    Picture(
        "gpt2",
        "GPT-2",
        models.gpt2,
        "The 124 million parameters of GPT-2 small. A word of the vocabulary is a node, and so "
        "is a position; `lm_head` reads the embedding table a second time, and its box names "
        "the tensor.",
        {"view": "architecture"},
    ),
    Picture(
        "llama",
        "Llama",
        models.llama,
        "Four layers of a small Llama. RMS norms are seen through to the mean that they divide "
        "by. Rotary positions are the sums after `q_proj` and `k_proj`. Half as many keys as "
        "queries, so a key is in the products of two heads. SwiGLU is the `mul` in `mlp`.",
        {"view": "architecture"},
    ),
    Picture(
        "unet",
        "U-Net",
        models.unet,
        "With `depth=1` a module of the first level is one box. The arrows on the right are the "
        "skips: the convolution after a concatenation has edges from both sides.",
        {"view": "architecture", "depth": 1},
    ),
    Picture(
        "mixer",
        "MLP-Mixer",
        models.mixer,
        "Where a linear layer mixes the patches, a patch is a neuron in its own right: 16 of "
        "them beside 32 channels, each with its own residual sums. The first block differs from "
        "the others, since it is where the patches become neurons.",
        {"view": "architecture", "depth": 3},
    ),
)


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def draw(picture: Picture, out: Path) -> str:
    """Write one picture; returns its section of the page."""
    graph = picture.graph()
    path = out / PICTURES / f"{picture.name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    gmn_fx.draw(graph, path, **picture.options)
    return picture.section(graph)


def sections(page: str) -> dict[str, str]:
    """The sections of a page that this tool wrote, by title."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].removeprefix("## "): part.strip() + "\n" for part in parts}


def choose(names: Sequence[str]) -> list[Picture]:
    """The pictures of these names; all without any."""
    known = {p.name: p for p in PICTURES_SHOWN}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"no picture is called {', '.join(unknown)}", hint=f"one of {', '.join(known)}"
        )
    return [known[name] for name in names] or list(PICTURES_SHOWN)


def main() -> int:
    """Draw, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=DOCS, help="the folder; docs by default")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="some pictures")
    options = parser.parse_args()
    try:
        chosen = choose(options.only)
    except UsageError as error:
        print(f"error: {error.message}\n{error.hint}", file=sys.stderr)
        return 2
    page = options.out / "gallery.md"
    written = sections(page.read_text()) if page.exists() else {}
    for picture in chosen:
        print(f"{picture.name} ...", file=sys.stderr, flush=True)
        written[picture.title] = draw(picture, options.out)
    shown = [written[p.title] for p in PICTURES_SHOWN if p.title in written]
    page.write_text("\n".join([INTRO, *shown]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

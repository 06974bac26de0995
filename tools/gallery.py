"""The gallery: pictures of ten networks, and the page that shows them.

    python -m tools.gallery [--out docs] [--only NAME]

Writes OUT/images/gallery/NAME.svg and, unless `--only` is given, OUT/gallery.md. Weights are
random but seeded: a second run gives the same pictures. GPT-2 takes most of the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import gmn_fx
from gmn_fx.drawing.text import plural
from tools import gallery_models as models


@dataclass(frozen=True)
class Picture:
    """One network of the gallery; options: of `gmn_fx.draw`. says: what one sees."""

    name: str
    title: str
    make: Callable[[], models.Sample]
    says: str
    options: Mapping[str, Any] = field(default_factory=dict)


PICTURES = (
    Picture(
        "mlp",
        "Perceptron",
        models.mlp,
        "A dot is a neuron, a line a weight: its colour is the sign, its width the magnitude. Dark "
        "squares are bias nodes, whose edges are the biases.",
    ),
    Picture(
        "lenet",
        "LeNet-like CNN",
        models.lenet,
        "Wide layers show their first and last neurons, and the strongest edges between those; "
        "what was left out is written under them. Each tile is the kernel between two channels.",
        {"view": "hybrid"},
    ),
    Picture(
        "resnet-block",
        "ResNet block",
        models.resnet_block,
        "A residual block: its input goes around two convolutions with batch norms. Dashed lines "
        "with values are buffers (running means and variances).",
    ),
    Picture(
        "attention-block",
        "Attention block",
        models.attention_block,
        "Self-attention in two heads, which are boxed: queries times keys, their sums (one a "
        "head), and those times the values.",
    ),
    Picture(
        "vit",
        "Vision transformer (ViT-B/16)",
        models.vit,
        "Twelve blocks that are alike are drawn once.",
        {"view": "architecture"},
    ),
    Picture(
        "gpt2",
        "GPT-2",
        models.gpt2,
        "124 million parameters in 28 boxes: the embedding is tied to the head, whose box names "
        "the parameter that it shares.",
        {"view": "architecture"},
    ),
    Picture(
        "llama",
        "Llama",
        models.llama,
        "RMS norms, grouped queries with rotary positions, and the gated layer (SwiGLU) as a "
        "product of two branches.",
        {"view": "architecture"},
    ),
    Picture(
        "lstm",
        "LSTM",
        models.lstm,
        "One cell: hexagons are its states, which later steps read again (lines that run back).",
        {"view": "neuron"},
    ),
    Picture(
        "unet",
        "U-Net",
        models.unet,
        "Each level of the way down is read by its level of the way up.",
        {"view": "architecture", "depth": 1},
    ),
    Picture(
        "mixer",
        "MLP-Mixer",
        models.mixer,
        "Every patch is a neuron of its own as soon as weights mix patches.",
        {"view": "architecture"},
    ),
)
HEAD = """# Gallery

What `make gallery` draws from models with random weights. All of these are pictures of parameter
graphs that the compiler made: nothing in them was placed or named by hand.
[drawing.md](drawing.md) says what the marks mean and which options there are. Hover over a mark in
an SVG for the name, index and value of its parameter.

The networks are plain PyTorch, in [tools/gallery_models.py](../tools/gallery_models.py). Every
picture is drawn by the lines above it, after these:

```python
import torch

import gmn_fx
from tools import gallery_models as models
```
"""


def graph_of(picture: Picture) -> gmn_fx.ParameterGraph:
    """The parameter graph of a picture's network."""
    torch.manual_seed(0)
    model, args = picture.make()
    return gmn_fx.extract(model.eval(), args=args, name=picture.title)


def draw(picture: Picture, graph: gmn_fx.ParameterGraph) -> str:
    """SVG text of a picture."""
    return gmn_fx.draw(graph, **picture.options)


def lines(picture: Picture) -> str:
    """The Python lines that draw a picture; the tests run them."""
    given = "".join(
        f', {key}="{value}"' if isinstance(value, str) else f", {key}={value!r}"
        for key, value in picture.options.items()
    )
    return (
        "torch.manual_seed(0)\n"
        f"model, args = models.{picture.make.__name__}()\n"
        f'graph = gmn_fx.extract(model.eval(), args=args, name="{picture.title}")\n'
        f'gmn_fx.draw(graph, "{picture.name}.svg"{given})'
    )


def section(picture: Picture, graph: gmn_fx.ParameterGraph) -> str:
    """The part of the page about a picture."""
    facts = (
        plural(sum(g.size > 0 for g in graph.groups), "group"),
        plural(graph.num_nodes, "node"),
        plural(graph.num_edges, "edge"),
    )
    return (
        f"## {picture.title}\n\n{picture.says} {', '.join(facts)}.\n\n"
        f"```python\n{lines(picture)}\n```\n\n"
        f"![{picture.title}](images/gallery/{picture.name}.svg)\n"
    )


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    parser.add_argument("--only", choices=[p.name for p in PICTURES])
    options = parser.parse_args()
    folder = options.out / "images" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    sections = []
    for picture in PICTURES:
        if options.only not in (None, picture.name):
            continue
        graph = graph_of(picture)
        svg = draw(picture, graph)
        (folder / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
        print(f"{picture.name}: {len(svg) / 1e3:.0f} kB", flush=True)
        sections.append(section(picture, graph))
    if options.only is None:
        page = "\n".join([HEAD, *sections])
        (options.out / "gallery.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

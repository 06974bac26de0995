"""How do time and structure grow with width and with depth?

    python -m benchmarks.bench_scaling [--repeat 2] [FAMILY ...]

Each family at one, two and four times its width, then its depth, on the meta device. An exponent
is the slope of log(seconds) over log(factor), between the factors two and four, where fixed costs
count least: 1 is linear, 2 quadratic. Bars: nothing that follows the capture is quadratic.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import gmn_fx
from benchmarks.bench_extract import extract
from benchmarks.measure import bar, emit, one_thread, structure_bytes
from benchmarks.published import hf, tokens
from tests.zoo.case import Sample

FACTORS = (1, 2, 4)
LIMIT = 1.5


def _mlp(width: int, depth: int) -> Sample:
    size = 128 * width
    layers: list[nn.Module] = []
    for _ in range(50 * depth):
        layers += [nn.Linear(size, size), nn.ReLU()]
    return nn.Sequential(*layers), (torch.randn(1, size),), {}


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
            nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.body(x))


def _resnet(width: int, depth: int) -> Sample:
    blocks = [_Residual(64 * width) for _ in range(8 * depth)]
    model = nn.Sequential(
        nn.Conv2d(3, 64 * width, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64 * width, 10),
    )  # fmt: skip
    return model, (torch.randn(1, 3, 16, 16),), {}


def _gpt2(width: int, depth: int) -> Sample:
    model = hf("GPT2LMHeadModel", "GPT2Config", n_embd=384 * width, n_layer=6 * depth,
               n_head=6 * width)  # fmt: skip
    return model, (), {"input_ids": tokens()}


def _llama(width: int, depth: int) -> Sample:
    model = hf("LlamaForCausalLM", "LlamaConfig", vocab_size=32000, hidden_size=512 * width,
               intermediate_size=1376 * width, num_hidden_layers=4 * depth,
               num_attention_heads=8 * width, num_key_value_heads=4 * width)  # fmt: skip
    return model, (), {"input_ids": tokens()}


def _sum(width: int, depth: int) -> Sample:
    """One sum over many branches, as a mixture of experts that a loop adds up."""

    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(
                nn.Linear(32 * width, 32 * width) for _ in range(32 * depth)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.zeros_like(x)
            for expert in self.experts:
                y = y + expert(x).relu()
            return y

    return Loop(), (torch.randn(1, 32 * width),), {}


FAMILIES: dict[str, Callable[[int, int], Sample]] = {
    "mlp": _mlp, "resnet": _resnet, "gpt2": _gpt2, "llama": _llama, "sum": _sum,
}  # fmt: skip


def measure(build: Callable[[int, int], Sample], width: int, depth: int, repeat: int) -> Any:
    """(capture seconds, seconds of the rest, bytes of the structure), the best of `repeat`."""
    with torch.device("meta"):
        model, args, kwargs = build(width, depth)
    runs = [extract((model.eval(), args, kwargs)) for _ in range(repeat)]
    return (
        min(watch.capture for watch, _ in runs),
        min(watch.rest for watch, _ in runs),
        structure_bytes(runs[0][1]),
    )


def row(family: str, axis: str, repeat: int) -> dict[str, Any]:
    """Figures of one family along one axis."""
    found = [
        measure(FAMILIES[family], *((f, 1) if axis == "width" else (1, f)), repeat) for f in FACTORS
    ]
    out: dict[str, Any] = {"model": f"{family}, {axis}"}
    for number, what in enumerate(("capture_seconds", "rest_seconds", "structure_bytes")):
        values = [f[number] for f in found]
        out |= {f"{what}_x{f}": v for f, v in zip(FACTORS, values, strict=True)}
        out[f"{what.partition('_')[0]}_exponent"] = math.log2(values[2] / values[1])
    return out


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}; all by default")
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    one_thread()
    # Imports and caches of torch.export are paid by a model that is not measured.
    gmn_fx.extract(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), (torch.randn(1, 3, 4, 4),))
    names = options.families or FAMILIES
    rows = [row(name, axis, options.repeat) for name in names for axis in ("width", "depth")]
    bars = [
        bar(f"{r['model']}: exponent of {what}", r[f"{key}_exponent"], LIMIT)
        for r in rows
        for what, key in (("lowering + passes", "rest"), ("structure", "structure"))
    ]
    emit("bench_scaling", rows, bars, title="Scaling")


if __name__ == "__main__":
    main()

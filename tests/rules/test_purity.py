"""P5: structure depends on the architecture alone. P6: it is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.rules.helpers import graph_of, rand

ROOT = Path(__file__).resolve().parents[2]


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block(self.stem(x)).mean(1))


class Image(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.mid, self.out = nn.Conv2d(6, 6, 3, stride=2, groups=3), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.norm(self.stem(x)).relu()).relu()
        return self.out(x.amax(3)[:, :, :-1].mean(2))


class Swapped(nn.Module):
    """The parameters of `Mlp`, registered in the other order."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        layers = {"first": (3, 5), "second": (5, 2)}
        for name in names:
            setattr(self, name, nn.Linear(*layers[name]))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())


@pytest.mark.parametrize(
    ("model", "one", "two"),
    [
        (Tokens, (2, 5, 3), (6, 5, 3)),
        (Tokens, (2, 5, 3), (2, 9, 3)),
        (Tokens, (2, 5, 3), (1, 5, 3)),
        (Image, (2, 2, 9, 9), (5, 2, 9, 9)),
        (Image, (2, 2, 9, 9), (2, 2, 15, 11)),
    ],
    ids=["batch", "length", "batch of one", "images", "size of the image"],
)
def test_the_example_does_not_matter(
    model: type[nn.Module], one: tuple[int, ...], two: tuple[int, ...]
) -> None:
    net = model()
    a, b = graph_of(net, rand(*one)), graph_of(net, rand(*two))
    assert a.signature == b.signature
    assert a.to_text(source=False) == b.to_text(source=False)


@pytest.mark.parametrize("model", [Tokens, Image])
def test_values_do_not_matter(model: type[nn.Module]) -> None:
    x = rand(2, 5, 3) if model is Tokens else rand(2, 2, 9, 9)
    net = model()
    a = graph_of(net, x)
    with torch.no_grad():
        for p in [*net.parameters(), *net.buffers()]:
            p.fill_(1)
    assert graph_of(net, x * 0 + 3).to_text() == a.to_text()


def test_order_of_registration_does_not_matter() -> None:
    one, two = (Swapped(n) for n in (("first", "second"), ("second", "first")))
    assert list(one.state_dict()) != list(two.state_dict())
    a, b = graph_of(one, rand(2, 3)), graph_of(two, rand(2, 3))
    assert a.signature == b.signature


def test_another_architecture_has_another_signature() -> None:
    class Tanh(Swapped):
        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).tanh())

    names = ("first", "second")
    one, two = graph_of(Swapped(names), rand(2, 3)), graph_of(Tanh(names), rand(2, 3))
    assert one.signature != two.signature


PROGRAM = """
import torch
torch.set_num_threads(1)
from tests.rules.helpers import graph_of, rand
from tests.rules.test_purity import Image, Tokens
for model, shape in ((Tokens, (2, 5, 3)), (Image, (2, 2, 9, 9))):
    graph = graph_of(model(), rand(*shape))
    print(graph.signature)
    print(graph)
"""


def printed(seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_another_process_prints_the_same_graph() -> None:
    one, two = printed("1"), printed("4242")
    assert one == two
    assert one.count("graph 1") == 2

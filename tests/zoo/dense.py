"""Networks of linear layers: plain, gated, tied, reparametrised."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.case import Apply, Case, simple


def mlp(*widths: int, act: Callable[[], nn.Module] = nn.ReLU, bias: bool = True) -> nn.Sequential:
    """Linear layers of the given widths with `act` between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out, bias=bias), act()]
    return nn.Sequential(*layers[:-1])


class Siren(nn.Module):
    """Coordinates -> signal through sines, with the frequency 30 of the paper."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 12), nn.Linear(12, 12), nn.Linear(12, 3)
        bound = math.sqrt(6 / 12) / 30
        nn.init.uniform_(self.second.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.sin(30 * self.second(torch.sin(30 * self.first(x)))))


class Nerf(nn.Module):
    """Positional encoding, a trunk with the input concatenated again, density and colour."""

    def __init__(self, width: int = 12, octaves: int = 2) -> None:
        super().__init__()
        code = 3 + 3 * 2 * octaves
        self.register_buffer("octaves", 2.0 ** torch.arange(octaves), persistent=False)
        self.early = nn.ModuleList([nn.Linear(code, width), nn.Linear(width, width)])
        self.late = nn.ModuleList([nn.Linear(width + code, width), nn.Linear(width, width)])
        self.density = nn.Linear(width, 1)
        self.colour = nn.Linear(width + 3, 3)

    def forward(self, position: Tensor, view: Tensor) -> tuple[Tensor, Tensor]:
        angle = (position[..., None, :] * self.octaves[:, None]).flatten(-2)
        code = torch.cat([position, angle.sin(), angle.cos()], -1)
        h = code
        for layer in self.early:
            h = F.relu(layer(h))
        h = torch.cat([h, code], -1)
        for layer in self.late:
            h = F.relu(layer(h))
        return self.density(h), torch.sigmoid(self.colour(torch.cat([h, view], -1)))


class Maxout(nn.Module):
    """The maximum of three linear pieces for each unit; the pieces are interchangeable."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(5, 3 * 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(x).unflatten(-1, (6, 3)).amax(-1))


class Highway(nn.Module):
    """y = t * h(x) + (1 - t) * x."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 8), nn.Linear(8, 2)
        self.carry, self.transform = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = torch.sigmoid(self.transform(x))
        return self.head(gate * torch.relu(self.carry(x)) + (1 - gate) * x)


class SwiGlu(nn.Module):
    """Residual feed-forward block with separate gate and value matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
        self.gate = nn.Linear(8, 12, bias=False)
        self.up = nn.Linear(8, 12, bias=False)
        self.down = nn.Linear(12, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x + self.down(F.silu(self.gate(x)) * self.up(x)))


class Glu(nn.Module):
    """`F.glu`: the two halves of one linear layer are value and gate."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(4, 16), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.glu(self.inner(x)))


class Crelu(nn.Module):
    """relu(cat[x, -x]): two parallel edges from each neuron to each unit of the next layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(4, 8), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        return self.last(torch.relu(torch.cat([x, -x], -1)))


class Film(nn.Module):
    """A condition scales and shifts the features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.condition = nn.Linear(5, 8), nn.Linear(3, 16)
        self.middle, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        scale, shift = self.condition(c).chunk(2, -1)
        x = torch.relu(self.stem(x) * (1 + scale) + shift)
        return self.head(torch.tanh(self.middle(x)))


class Bilinear(nn.Module):
    """`nn.Bilinear` between two hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 6), nn.Linear(5, 7)
        self.both, self.head = nn.Bilinear(6, 7, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        both = self.both(torch.tanh(self.left(x)), torch.relu(self.right(y)))
        return self.head(torch.relu(both))


class DenseMoe(nn.Module):
    """Three experts, all evaluated, mixed by a softmax gate; experts are interchangeable."""

    def __init__(self, experts: int = 3) -> None:
        super().__init__()
        self.stem, self.gate = nn.Linear(4, 8), nn.Linear(8, experts)
        self.up = nn.Parameter(torch.randn(experts, 8, 10) * 0.3)
        self.down = nn.Parameter(torch.randn(experts, 10, 8) * 0.3)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        weight = self.gate(x).softmax(-1)
        hidden = torch.relu(torch.einsum("bi,eih->beh", x, self.up))
        out = torch.einsum("beh,eho->beo", hidden, self.down)
        return self.head(torch.einsum("be,beo->bo", weight, out))


class MoeList(nn.Module):
    """Experts as modules in a list, stacked after they ran."""

    def __init__(self, experts: int = 3) -> None:
        super().__init__()
        self.gate, self.head = nn.Linear(6, experts), nn.Linear(8, 2)
        self.experts = nn.ModuleList(mlp(6, 7, 8) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.gate(x).softmax(-1)
        outs = torch.stack([expert(x) for expert in self.experts], dim=1)
        return self.head((weight[..., None] * outs).sum(1))


class DeepSets(nn.Module):
    """Equivariant layers with two matrices (own element, sum of the set), then a pooled head."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.ModuleList([nn.Linear(3, 8), nn.Linear(8, 8)])
        self.pool = nn.ModuleList([nn.Linear(3, 8, bias=False), nn.Linear(8, 8, bias=False)])
        self.head = mlp(8, 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        for own, pool in zip(self.own, self.pool, strict=True):
            x = torch.relu(own(x) + pool(x.mean(1, keepdim=True)))
        return self.head(x.sum(1))


class Dueling(nn.Module):
    """Dueling Q network: value plus advantage minus its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.value, self.advantage = mlp(4, 10), mlp(10, 6, 1), mlp(10, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.trunk(x))
        advantage = self.advantage(h)
        return self.value(h) + advantage - advantage.mean(-1, keepdim=True)


class TwoBranches(nn.Module):
    """The sum of two branches of equal shape that differ in what happens on the way."""

    def __init__(self, first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]):
        super().__init__()
        self.first, self.second = first, second
        self.left, self.right, self.head = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(self.left(x)) + self.second(self.right(x))))


class Minus(nn.Module):
    """A hidden layer minus another: the operands may not be exchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.left(x) - self.right(x)))


class MultiHead(nn.Module):
    """A dictionary of outputs of different widths."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.logits, self.box = mlp(5, 9, 9), nn.Linear(9, 4), nn.Linear(9, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = torch.relu(self.trunk(x))
        return {"logits": self.logits(h), "box": self.box(h).sigmoid()}


class InstanceScore(nn.Module):
    """Attention pooling over a bag of instances: softmax over the set, not over features."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.score, self.head = (
            nn.Linear(4, 8),
            mlp(8, 6, 1, act=nn.Tanh),
            nn.Linear(8, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.embed(x))
        return self.head((self.score(h).softmax(1) * h).sum(1))


class Cosine(nn.Module):
    """A head of normalised features against normalised class vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.prototypes = nn.Linear(4, 8), nn.Parameter(torch.randn(3, 8))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        x = F.normalize(torch.tanh(self.stem(x)), dim=-1)
        return self.scale.exp() * x @ F.normalize(self.prototypes, dim=-1).t()


MLP_CLASSES = {
    "0.weight": 5, "0.bias": 1, "2.weight": 1, "2.bias": 1, "4.weight": 3, "4.bias": 3,
}  # fmt: skip


def _activations() -> tuple[Case, ...]:
    named: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "silu": nn.SiLU, "elu": nn.ELU,
        "leaky-relu": nn.LeakyReLU, "softplus": nn.Softplus, "hardswish": nn.Hardswish,
        "mish": nn.Mish, "sigmoid": nn.Sigmoid,
    }  # fmt: skip
    return tuple(
        Case(
            f"mlp-{name}",
            simple(lambda act=act: mlp(5, 8, 8, 3, act=act), 5),
            parameters=5 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3,
            classes=MLP_CLASSES,
        )
        for name, act in named.items()
    )


def _pair(make: Callable[[], nn.Module], *widths: int) -> Callable[[int, int], object]:
    def build(batch: int, size: int) -> object:
        return make(), tuple(torch.randn(batch, width) for width in widths), {}

    return build


CASES: tuple[Case, ...] = (
    *_activations(),
    Case("mlp-no-bias", simple(lambda: mlp(4, 6, 2, bias=False), 4), parameters=36,
         classes={"0.weight": 4, "2.weight": 2}),
    Case("linear", simple(lambda: nn.Linear(4, 3), 4), classes={"weight": 12, "bias": 3}),
    Case("mlp-over-tokens", simple(lambda: mlp(4, 6, 2), "s", 4), resized=5,
         classes={"0.weight": 4, "2.weight": 2}),
    Case("mlp-unbatched", lambda b, s: (mlp(4, 6, 2), (torch.randn(4),), {}), batched=False),
    Case("siren", simple(Siren, 2), parameters=231,
         classes={"first.weight": 2, "second.weight": 1, "last.weight": 3}),
    Case("nerf", _pair(Nerf, 3, 3), classes={"density.weight": 1, "late.1.weight": 1}),
    Case("prelu-shared", simple(lambda: mlp(4, 8, 3, act=nn.PReLU), 4), classes={"1.weight": 1}),
    Case("prelu-channels", simple(lambda: mlp(4, 8, 3, act=lambda: nn.PReLU(8)), 4),
         classes={"0.weight": 4, "1.weight": 1}),
    Case("maxout", simple(Maxout, 5), classes={"inner.weight": 5, "last.weight": 2}),
    Case("highway", simple(Highway, 4), classes={"stem.weight": 4, "head.weight": 2}),
    Case("swiglu", simple(SwiGlu, 4),
         classes={"gate.weight": 1, "up.weight": 1, "down.weight": 1, "stem.weight": 4}),
    Case("glu", simple(Glu, 4), classes={"inner.weight": 8, "inner.bias": 2, "last.weight": 3}),
    Case("crelu", simple(Crelu, 4), classes={"inner.weight": 4, "last.weight": 6}),
    Case("film", _pair(Film, 5, 3), classes={"condition.weight": 6, "condition.bias": 2}),
    Case("bilinear", _pair(Bilinear, 4, 5), classes={"both.weight": 1, "head.weight": 2}),
    Case("moe-dense", simple(DenseMoe, 4),
         classes={"gate.weight": 1, "up": 1, "down": 1, "head.weight": 3}),
    Case("moe-modules", simple(MoeList, 6)),
    Case("deepsets", simple(DeepSets, "s", 3), size=4, resized=6,
         classes={"own.0.weight": 3, "own.1.weight": 1, "pool.1.weight": 1}),
    Case("set-attention-pooling", simple(InstanceScore, "s", 4), size=5, resized=3),
    Case("dueling", simple(Dueling, 4)),
    Case("multi-output", simple(MultiHead, 5), classes={"logits.weight": 4, "box.weight": 2}),
    Case("minus", simple(Minus, 4), classes={"left.weight": 4, "right.weight": 4}),
    Case("branches-same", simple(lambda: TwoBranches(F.relu, F.relu), 4)),
    Case("branches-activation", simple(lambda: TwoBranches(F.relu, F.gelu), 4)),
    Case("branches-scale", simple(lambda: TwoBranches(lambda x: 0.5 * x, lambda x: 2 * x), 4)),
    Case("cosine-head", simple(Cosine, 4), classes={"stem.weight": 4, "prototypes": 3}),
    Case("softmax-hidden", simple(lambda: nn.Sequential(
        nn.Linear(4, 6), nn.Softmax(-1), nn.Linear(6, 2)), 4), classes={"0.weight": 4}),
    Case("cumulative-features", simple(lambda: nn.Sequential(
        nn.Linear(4, 6), Apply(lambda x: x.cumsum(-1), "cumsum"), nn.Linear(6, 2)), 4),
        classes={"0.bias": 6}),
)  # fmt: skip

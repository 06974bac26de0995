"""Train a graph metanetwork on a zoo made on the spot: from a sine INR's weights its frequency.

python examples/train_metanet.py            # about a minute on two cores
"""

from __future__ import annotations

import argparse

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

import gmn_fx
from gmn_fx.gmn import GMNConfig, GraphBatch, InvariantGMN, Vocabulary, save_gmn
from gmn_fx.graph.model import ParameterGraph


class Sine(nn.Module):
    """The activation of a SIREN."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(3 * x)


def inr() -> nn.Module:
    """A small implicit neural representation of a function on [-1, 1]."""
    return nn.Sequential(nn.Linear(1, 16), Sine(), nn.Linear(16, 16), Sine(), nn.Linear(16, 1))


def zoo(count: int, steps: int = 150) -> tuple[list[ParameterGraph], Tensor]:
    """Networks fitted to sin(f x), all at once, and their frequencies f [count, 1]."""
    frequency = torch.rand(count, 1) * 6 + 1
    model = inr()
    state, _ = stack_module_state([inr() for _ in range(count)])  # type: ignore[arg-type]
    x = torch.linspace(-1, 1, 64).unsqueeze(-1)
    optimiser = torch.optim.Adam(state.values(), lr=5e-3)
    run = vmap(lambda s: functional_call(model, s, (x,)))
    for _ in track(range(steps), "fitting the zoo"):
        optimiser.zero_grad()
        (run(state).squeeze(-1) - torch.sin(frequency * x.T)).square().mean(1).sum().backward()
        optimiser.step()
    graph = gmn_fx.extract(model, (x,))
    weights = [{n: t[i].detach() for n, t in state.items()} for i in range(count)]
    return [graph.bind(w) for w in weights], frequency


def main() -> None:
    """Fit a zoo, train on most of it, tell how well the rest is predicted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=600, help="networks in the zoo")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", help="where to save the metanet (safetensors)")
    options = parser.parse_args()
    torch.manual_seed(0)
    graphs, target = zoo(options.count)
    held = options.count // 6
    model = InvariantGMN(GMNConfig(hidden=32, layers=3), Vocabulary.fit(graphs), out_features=1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.epochs)
    mean, std = target[held:].mean(), target[held:].std()
    for _ in track(range(options.epochs), "training the metanet"):
        for rows in (torch.randperm(options.count - held) + held).split(32):
            batch = GraphBatch.of([graphs[i] for i in rows])
            loss = (model(batch) - (target[rows] - mean) / std).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    with torch.no_grad():
        guess = model.eval()(graphs[:held]) * std + mean
    error = (guess - target[:held]).square().mean() / target[:held].var()
    print(f"{held} networks that it has not seen: R^2 = {1 - float(error):.3f}")
    if options.out:
        save_gmn(model, options.out)


if __name__ == "__main__":
    main()

"""A three-layer perceptron: `gmn-extract examples/mlp.py --out graph.pt --svg graph.svg`."""

from __future__ import annotations

import torch
from torch import nn

torch.manual_seed(0)

model = nn.Sequential(
    nn.Linear(4, 8),
    nn.ReLU(),
    nn.Linear(8, 6),
    nn.ReLU(),
    nn.Linear(6, 3),
)

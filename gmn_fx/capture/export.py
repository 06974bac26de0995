"""Rung `export`: `torch.export(strict=False)` and `run_decompositions({})`."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from gmn_fx.capture.straight import export_graph_module
from gmn_fx.capture.traced import Traced


def trace_export(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
    """Capture with `torch.export`.

    An empty decomposition table keeps linear, attention, norm and LSTM whole and still removes
    in-place writes, which hide parameters from use-def chains.
    """
    if isinstance(model, fx.GraphModule):
        return export_graph_module(model, args, kwargs)
    exported = torch.export.export(model, args, kwargs, strict=False)
    return Traced(exported.run_decompositions({}))

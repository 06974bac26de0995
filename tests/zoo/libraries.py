"""Model libraries that only the tests use."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch


@functools.cache
def torchvision_models() -> ModuleType:
    """`torchvision.models` beside a CPU-only torch."""
    _declare_operators()
    import torchvision.models

    return torchvision.models


@functools.cache
def transformers() -> Any:
    """The `transformers` package; some of its models import torchvision where there is one."""
    _declare_operators()
    import transformers as package

    return package


def _declare_operators() -> None:
    """Make torchvision importable without its compiled operators, which exist for CUDA only.

    Two of their schemas are needed while it is imported; the models themselves are Python.
    """
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", boxes)

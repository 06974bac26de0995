"""Model libraries that only the tests use."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch


@functools.cache
def torchvision_models() -> ModuleType:
    """`torchvision.models` beside a CPU-only torch.

    torchvision's compiled operators exist for CUDA only. Two of their schemas are needed while
    it is imported; the models themselves are Python.
    """
    if not hasattr(torch.ops.torchvision, "nms"):
        boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", boxes)
    import torchvision.models

    return torchvision.models


def transformers() -> Any:
    """The `transformers` package."""
    import transformers as package

    return package

"""`--input [name:]2x3x32x32[:dtype]`: example inputs from the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmn_fx.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

HELP = "write --input 1x3x224x224, --input 2x16:int64 or --input ids:2x16:int64"
DTYPES = (
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
    "bool", "uint8", "int8", "int16", "int32", "int64",
)  # fmt: skip
_SHAPE = re.compile(r"\d+(x\d+)*|scalar")


@dataclass(frozen=True)
class InputSpec:
    """One parsed `--input`: positional when `name` is empty."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @staticmethod
    def parse(text: str) -> InputSpec:
        """Parse `[name:]shape[:dtype]`; the shape is `2x3x8x8`, or `scalar`."""
        parts = text.split(":")
        at = next((i for i, part in enumerate(parts) if _SHAPE.fullmatch(part)), None)
        if at is None or at > 1 or len(parts) > at + 2:
            raise UsageError(f"--input {text!r} is not [name:]shape[:dtype]", hint=HELP)
        name = parts[0] if at else ""
        dtype = parts[at + 1] if len(parts) > at + 1 else "float32"
        if dtype not in DTYPES:
            raise UsageError(
                f"--input {text!r}: there is no dtype {dtype!r}", hint=f"one of {', '.join(DTYPES)}"
            )
        if at and not name.isidentifier():
            raise UsageError(f"--input {text!r}: {name!r} is not an argument name", hint=HELP)
        shape = () if parts[at] == "scalar" else tuple(int(n) for n in parts[at].split("x"))
        return InputSpec(name, shape, dtype)


def make_inputs(
    specs: Sequence[str], model: nn.Module, *, seed: int = 0, device: str = "cpu"
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Tensors for every `--input`, as `(args, kwargs)`; random, the same for the same seed."""
    import torch

    parsed = [InputSpec.parse(text) for text in specs]
    names = [spec.name for spec in parsed if spec.name]
    if len(set(names)) < len(names):
        raise UsageError("--input gives one argument twice", hint=HELP)
    generator = torch.Generator().manual_seed(seed)
    high = _vocabulary(model)
    tensors = [_tensor(spec, high, generator).to(device) for spec in parsed]
    pairs = list(zip(parsed, tensors, strict=True))
    args = tuple(tensor for spec, tensor in pairs if not spec.name)
    return args, {spec.name: tensor for spec, tensor in pairs if spec.name}


def _vocabulary(model: nn.Module) -> int:
    """Integers below this are valid in every embedding of `model`."""
    from torch import nn

    modules = model.modules() if isinstance(model, nn.Module) else ()
    sizes = [m.num_embeddings for m in modules if isinstance(m, nn.Embedding)]
    return max(1, min(sizes, default=2))


def _tensor(spec: InputSpec, high: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, spec.dtype)
    if dtype == torch.bool:
        return torch.ones(spec.shape, dtype=dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        limit = min(high, torch.iinfo(dtype).max)
        return torch.randint(0, limit, spec.shape, generator=generator).to(dtype)
    if dtype.is_complex:
        return torch.randn(spec.shape, dtype=dtype, generator=generator)
    return torch.randn(spec.shape, generator=generator).to(dtype)

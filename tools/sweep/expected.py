"""Models of the sweep that are known not to be verified, with the reason.

A model here that is verified after all fails the sweep, as does any other that is not.
"""

from __future__ import annotations

_SPARSE = "multiplies sparse CSR matrices, which torch traces neither symbolically nor by dispatch"

EXPECTED: dict[str, str] = {
    "neuralop/codano": "torch.export subclasses each submodule; classes of tltorch forbid it",
    "torch-geometric/asa-pooling": _SPARSE,
    "torch-geometric/graph-unet": _SPARSE,
    "vit-pytorch/vit-nd-rotary": "FlexAttention has no backward on the CPU; it cannot be traced",
}

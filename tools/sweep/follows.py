"""Models whose architecture itself follows the batch or the size of its input, with the reason.

P5 asks for one structure at every batch and size "where the architecture allows it". These do not:
the number of their operations, a constant in them, or which rows of a stored table they read
changes with the input. They are checked at one size, or at one batch, with other weights.
"""

from __future__ import annotations

_CROP = "reads as much of a stored table of positions as the input is large"
_PIECES = "cuts the sequence into pieces, whose number follows its length"
_SPLIT = "splits the rows by how many go to each expert"
_STORED = "a stored frequency times each position: a function for each position"
_NUMBER = "the size of the input is a number in its formulas"

SIZE: dict[str, str] = {
    "diffusers/sd3": _CROP,
    "diffusers/sd3-dual": _CROP,
    "diffusers/sd3-controlnet": _CROP,
    "diffusers/stable-cascade": "tokens that are units of a linear layer lie beside image tokens",
    "nflows/glow": "the logarithm of the determinant is multiplied by height and width",
    "smp/manet": "reshapes positions into channels",
    "timm/tiny-vit": "pads to whole windows, by an amount that follows the size",
    "torch-geometric/hgt-conv": "numbers of nodes are offsets of indices",
    "transformers/autoformer": _NUMBER,
    "transformers/canine": _PIECES,
    "transformers/deformable-detr": "a learned embedding of a level beside a code of each position",
    "transformers/esm": _STORED,
    "transformers/deberta": "reads as many rows of the table of offsets as the sequence is long",
    "transformers/funnel": "shifts the relative scores by slices that follow the length",
    "transformers/jetmoe": _SPLIT,
    "transformers/led": _PIECES,
    "transformers/longformer": _PIECES,
    "transformers/mimi": "torch.cdist takes another formula for more than 25 rows",
    "vit-pytorch/rvt": _STORED,
}
BATCH: dict[str, str] = {
    "diffusers/lumina2": "a loop over the examples of the batch",
    "transformers/autoformer": _NUMBER,
    "transformers/jetmoe": _SPLIT,
    "transformers/llava": "a loop over the images",
    "transformers/qwen2-vl": "a loop over the images",
    "transformers/superpoint": "a loop over the images",
    "transformers/time-series-transformer": _NUMBER,
}

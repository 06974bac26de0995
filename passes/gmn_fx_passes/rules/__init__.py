"""The shipped lowering rules: one family of mixing ops a file."""

from . import (  # noqa: F401  (each file registers its rules into the bag)
    algebra,
    choosing,
    contraction,
    creation,
    embedding,
    indexing,
    movement,
    normalization,
    packed,
    paper,
    pointwise,
    positional,
    recurrent,
    reduction,
    writing,
)

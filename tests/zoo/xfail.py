"""Models of the zoo that are known to fail, with the reason. An unexpected pass is a failure.

One table for each test of tests/test_zoo.py: the names of cases, and what is missing.
"""

from __future__ import annotations

MEANING: dict[str, str] = {}
STRUCTURE: dict[str, str] = {
    "pixel-shuffle": "a convolution over interleaved channels keeps a node for each pixel",
    "mha-bias-kv": "keys of tokens and learned keys in one tensor: a node for each of its rows",
}
SYMMETRY: dict[str, str] = {
    "gmlp": "a convolution with kernel 1 labels its spatial axis, here the features, by position",
}

"""The model zoo: tiny networks of every kind that must become correct parameter graphs.

`CASES` is all of them by name. Each is a `Case`: a builder, and what is known beforehand.
"""

from __future__ import annotations

from tests.zoo import (
    attention,
    conv,
    dense,
    hf_text,
    hf_vision,
    mechanisms_contraction,
    mechanisms_dynamic,
    mechanisms_experts,
    mechanisms_factors,
    mechanisms_flows,
    mechanisms_groups,
    mechanisms_heads,
    mechanisms_scan,
    mechanisms_sharing,
    mechanisms_space,
    mechanisms_weights,
    recurrent,
    residual,
    reuse,
)
from tests.zoo.case import Case

_MECHANISMS = (
    mechanisms_contraction, mechanisms_experts, mechanisms_scan, mechanisms_heads,
    mechanisms_space, mechanisms_flows, mechanisms_weights, mechanisms_groups,
    mechanisms_dynamic, mechanisms_sharing, mechanisms_factors,
)  # fmt: skip
_FAMILIES = (
    dense, reuse, conv, residual, attention, recurrent, hf_text, hf_vision, *_MECHANISMS,
)  # fmt: skip
_ALL = tuple(case for family in _FAMILIES for case in family.CASES)

CASES: dict[str, Case] = {case.name: case for case in _ALL}

if len(CASES) != len(_ALL):
    names = [case.name for case in _ALL]
    raise ValueError(f"two cases share a name: {sorted({n for n in names if names.count(n) > 1})}")

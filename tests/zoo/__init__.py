"""The model zoo: tiny networks of every kind that must become correct parameter graphs.

`CASES` is all of them by name. Each is a `Case`: a builder, and what is known beforehand.
"""

from __future__ import annotations

from tests.zoo import attention, conv, dense, hf_text, hf_vision, recurrent, residual, reuse
from tests.zoo.case import Case

_FAMILIES = (dense, reuse, conv, residual, attention, recurrent, hf_text, hf_vision)
_ALL = tuple(case for family in _FAMILIES for case in family.CASES)

CASES: dict[str, Case] = {case.name: case for case in _ALL}

if len(CASES) != len(_ALL):
    names = [case.name for case in _ALL]
    raise ValueError(f"two cases share a name: {sorted({n for n in names if names.count(n) > 1})}")

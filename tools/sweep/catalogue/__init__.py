"""The models of the sweep. Each module lists `CASES`; libraries are imported when built."""

from __future__ import annotations

import functools
import pkgutil
from dataclasses import replace
from importlib import import_module

from tests.zoo import CASES as ZOO
from tests.zoo.case import Case
from tools.sweep.follows import BATCH, SIZE


@functools.cache
def catalogue() -> dict[str, Case]:
    """All models by name, `library/model`; the hand-written ones of the tests are `zoo/...`."""
    found = {f"zoo/{name}": replace(case, name=f"zoo/{name}") for name, case in ZOO.items()}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for case in import_module(f"{__name__}.{module}").CASES:
            if case.name in found:
                raise ValueError(f"two models of the sweep are called {case.name!r}")
            found[case.name] = case
    for name in SIZE:
        found[name] = replace(found[name], resized=None)
    for name in BATCH:
        found[name] = replace(found[name], batched=False)
    return found

"""Functions held by a copied module: let them see the copy, not the original.

`copy.deepcopy` takes functions as they are. A module that keeps `lambda x: x @ self.weight.t()`
would go on reading the weights of the module that it was copied from.
"""

from __future__ import annotations

import types
from typing import Any

from torch import nn


def rebind_closures(clone: nn.Module, memo: dict[int, Any]) -> None:
    """Replace functions among the attributes of `clone` whose closures hold copied objects.

    memo: the table of the deep copy, from the id of an original to its copy.
    """
    for module in clone.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType) and value.__closure__:
                new = _rebound(value, memo)
                if new is not value:
                    vars(module)[name] = new


def _rebound(function: types.FunctionType, memo: dict[int, Any]) -> types.FunctionType:
    cells = function.__closure__ or ()
    held = [_content(cell) for cell in cells]
    copied = [memo.get(id(value), value) for value in held]
    if all(a is c for a, c in zip(held, copied, strict=True)):
        return function
    fresh = tuple(
        cell if old is new else types.CellType(new)
        for cell, old, new in zip(cells, held, copied, strict=True)
    )
    new = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, fresh
    )
    new.__kwdefaults__ = function.__kwdefaults__
    return new


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None

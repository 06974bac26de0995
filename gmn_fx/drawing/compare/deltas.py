"""Numbers on the edges of a page of two graphs: b - a, read piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gmn_fx.drawing.compare.changes import tensor_of
from gmn_fx.drawing.compare.comparison import Comparison
from gmn_fx.drawing.compare.measure import minus
from gmn_fx.drawing.explorer.embedded import Embedded
from gmn_fx.drawing.explorer.numbers import Values, narrowed
from gmn_fx.drawing.values import Where, read

Columns = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Deltas:
    """b - a of one parameter. ranked: there is an element that differs."""

    before: Tensor
    after: Tensor
    ranked: bool

    def at(self, where: Where) -> Tensor:
        """As in `Numbers`; of complex numbers the size, with the sign of the real part."""
        delta = minus(read(self.after, where), read(self.before, where))
        if not delta.is_complex():
            return delta
        return torch.where(delta.real < 0, -delta.abs(), delta.abs())


class Both:
    """The values of both graphs under the bundles of their union."""

    def __init__(self, found: Comparison) -> None:
        self._found = found

    def numbers(self, bundle: int) -> Deltas | Values | None:
        """Of both graphs b - a, of a parameter that only one of them has its values."""
        one, two = self._tensors(bundle)
        change = self._found.bundles[bundle]
        if change.state in ("added", "removed", "resized"):
            alone = one if change.state == "removed" else two
            return None if alone is None else Values(alone)
        if change.difference is None or one is None or two is None:
            return None
        return Deltas(one, two, change.difference.changed > 0)

    def columns(self, bundle: int, edges: Embedded) -> Columns:
        """Values in a and in b of the edges of a bundle that go into the page; NaN: none."""
        nothing = np.full(len(edges.edges), np.nan, dtype=np.float32)
        change = self._found.bundles[bundle]
        # The elements of a parameter of another size are those of b.
        alone = change.state == "resized"
        one, two = self._tensors(bundle)
        return (
            nothing if one is None or alone else narrowed(read(one, edges.edges.element)),
            nothing if two is None else narrowed(read(two, edges.edges.element)),
        )

    def _tensors(self, bundle: int) -> tuple[Tensor | None, Tensor | None]:
        """The tensors of a and of b behind a bundle, as far as there are any."""
        found, pair = self._found, self._found.bundles[bundle].pair
        change = found.slot_of(bundle)
        if change is None or found.union.bundles[bundle].view is None:
            return None, None
        one = two = None
        if pair.a is not None and change.pair.a is not None:
            one = tensor_of(found.a, found.a.slots[change.pair.a])
        if pair.b is not None and change.pair.b is not None:
            two = tensor_of(found.b, found.b.slots[change.pair.b])
        return one, two

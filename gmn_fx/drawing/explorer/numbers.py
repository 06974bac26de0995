"""Numbers on the edges of a page: of a graph its values, of a comparison something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gmn_fx.drawing.values import Where, read, tensor_on
from gmn_fx.graph.model import ParameterGraph


class Numbers(Protocol):
    """Numbers of the elements of one parameter."""

    @property
    def ranked(self) -> bool:
        """Some are larger than others, so that the strongest can be chosen."""
        ...

    def at(self, where: Where) -> Tensor:
        """Numbers at flat positions, on the processor; reads nothing else."""
        ...


@dataclass(frozen=True)
class Values:
    """The values of one tensor."""

    tensor: Tensor
    ranked: ClassVar[bool] = True

    def at(self, where: Where) -> Tensor:
        """As in `Numbers`."""
        return read(self.tensor, where)


def value_numbers(graph: ParameterGraph) -> list[Values | None]:
    """The values on each bundle; None where there are none."""
    tensors = [tensor_on(graph, bundle) for bundle in graph.bundles]
    return [None if tensor is None else Values(tensor) for tensor in tensors]


def sizes(numbers: Tensor) -> Tensor:
    """Magnitudes, in a type that can be compared."""
    wide = numbers.is_complex() or numbers.dtype == torch.float64
    return numbers.abs() if wide else numbers.float().abs()


def narrowed(numbers: Tensor) -> npt.NDArray[np.float32]:
    """Real parts in float32: what is finite stays so, and what is not 0 stays so, too."""
    wide = (numbers.real if numbers.is_complex() else numbers).double()
    out, limits = wide.float(), torch.finfo(torch.float32)
    sign = wide.sign().float()
    out = torch.where(wide.isfinite() & out.isinf(), limits.max * sign, out)
    out = torch.where((wide != 0) & (out == 0), limits.smallest_normal * sign, out)
    return np.asarray(out.numpy())

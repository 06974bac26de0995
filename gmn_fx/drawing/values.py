"""The values on the edges of a bundle, read where they are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gmn_fx.graph.model import Bundle, ParameterGraph

# Flat positions in a tensor, row-major.
Where = slice | npt.NDArray[np.int64]


def tensor_on(graph: ParameterGraph, bundle: Bundle) -> Tensor | None:
    """The tensor whose elements are on the edges of a bundle; None without values."""
    tensor = graph.values.get(bundle.slot or "")
    return None if tensor is None or tensor.is_meta or bundle.view is None else tensor


def read(tensor: Tensor, where: Where) -> Tensor:
    """The elements at flat positions: also of a tensor with gaps no copy of all is made."""
    tensor = tensor.detach()
    if isinstance(where, slice) and tensor.is_contiguous():
        part = tensor.view(-1)[where]
    else:
        places = np.arange(where.start, where.stop) if isinstance(where, slice) else where
        index = torch.from_numpy(places).to(tensor.device)
        if tensor.is_contiguous():
            part = tensor.view(-1)[index]
        else:
            part = tensor[torch.unravel_index(index, tensor.shape)]
    return part.cpu().resolve_conj().resolve_neg()

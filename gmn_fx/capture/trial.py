"""Try a model on inputs, cheaply: on fake tensors first, for real only if those cannot tell."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils import _pytree as pytree

from gmn_fx.capture.names import named_tensors
from gmn_fx.capture.quiet import quiet
from gmn_fx.ir.prepare import prepared


def runs(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, sure: bool = False
) -> Exception | None:
    """None if the model runs on these inputs, else what it raised. The model is left as found.

    With `sure` a failure on fake tensors is always checked on real ones.
    """
    error = _run_fake(model, args, kwargs)
    if error is None or not (sure or _may_be_fake_only(error)):
        return error
    return _run_real(model, args, kwargs)


def _run_fake(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception | None:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes: dict[int, torch.Tensor] = {}

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in fakes:
            fakes[id(tensor)] = mode.from_tensor(tensor)
        return fakes[id(tensor)]

    state = named_tensors(model)
    try:
        with prepared(model), quiet(), mode:
            own = {name: fake(tensor) for name, tensor in state.items()}
            call_args, call_kwargs = pytree.tree_map_only(torch.Tensor, fake, (args, kwargs))
            torch.func.functional_call(model, own, call_args, call_kwargs, tie_weights=False)
    except Exception as error:  # whatever the user's forward raises
        return error
    return None


def _run_real(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception | None:
    try:
        with prepared(model):
            copies = pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
            model(*copies[0], **copies[1])
    except Exception as error:  # whatever the user's forward raises
        return error
    return None


def _may_be_fake_only(error: Exception) -> bool:
    """Whether real tensors could still do: data-dependent Python, numpy, unknown kernels.

    A plain shape or type error is final, and then a real run of a large model is saved.
    """
    if type(error).__module__.startswith("torch."):
        return True
    text = str(error)
    if "FakeTensor" in text or "fake" in text.lower() or ".numpy()" in text:
        return True
    return isinstance(error, (NotImplementedError, AssertionError))

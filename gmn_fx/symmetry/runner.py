"""Run a copy of the model on a flat parameter vector, in float64, and compare outputs."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree
from torch.utils._pytree import tree_map

from gmn_fx.errors import OracleError
from gmn_fx.graph.model import ParameterGraph, Slot
from gmn_fx.ir.prepare import clear_caches, prepared
from gmn_fx.symmetry.closures import rebind_closures
from gmn_fx.symmetry.decisions import Recorded, Replayed
from gmn_fx.symmetry.double import double_precision, widen
from gmn_fx.symmetry.randomise import random_values
from gmn_fx.symmetry.typed import Array

Outputs = dict[str, torch.Tensor]
Example = tuple[tuple[Any, ...], dict[str, Any]]


class Runner:
    """A private float64 copy of a model whose state is set from one flat vector."""

    def __init__(self, model: nn.Module, graph: ParameterGraph, examples: list[Example]) -> None:
        """Copy the model and check that it has every slot of the graph."""
        self._slots = graph.slots
        self._model = _double_copy(model)
        self._targets = _targets(self._model, graph)
        self._examples = [tree_map(_own, example) for example in examples]
        self._original = self._read()
        self._path: list[list[Any]] | None = None

    def hold_path(self) -> bool:
        """From now on decide as the original weights do; False if Python decides nothing."""
        path = []
        for args, kwargs in self._examples:
            with Recorded() as record:
                self._call(self._original, copy.deepcopy(args), copy.deepcopy(kwargs))
            path.append(record.seen)
        self._path = path if any(path) else None
        return self._path is not None

    @property
    def original(self) -> torch.Tensor:
        """The flat vector with the values that the model was given with."""
        return self._original

    def random(self, seed: int, scale: float = 1.0) -> torch.Tensor:
        """A flat vector of random, non-degenerate values."""
        generator = torch.Generator().manual_seed(seed)
        flat = self._original.clone()
        for slot in self._slots:
            part = flat[slot.offset : slot.offset + slot.numel]
            start = _as_slot(part, slot)
            part.copy_(random_values(slot, start, generator, scale=scale).reshape(-1))
        return flat

    def run(self, flat: torch.Tensor) -> Outputs:
        """The outputs under the flat vector `flat`: name -> tensor."""
        out: Outputs = {}
        for index, (args, kwargs) in enumerate(self._examples):
            prefix = f"example {index}: " if len(self._examples) > 1 else ""
            own = copy.deepcopy(args), copy.deepcopy(kwargs)
            with nullcontext() if self._path is None else Replayed(self._path[index]):
                result = self._call(flat, *own)
            out.update((prefix + name, t.detach()) for name, t in flatten_outputs(result))
        if not out:
            raise OracleError(
                "the oracle cannot judge this model: it returns no tensor",
                hint="return a tensor, or a tuple, list, dict or dataclass of tensors",
            )
        return out

    def _call(self, flat: torch.Tensor, args: Any, kwargs: Any) -> Any:
        """One forward; everything that it changes on the copy is put back."""
        with prepared(self._model) as model, double_precision():
            clear_caches(model)
            self._write(flat)
            try:
                return model(*args, **kwargs)
            except Exception as error:
                raise OracleError(
                    "the oracle cannot run the model in float64 with random weights: "
                    f"{type(error).__name__}: {error}",
                    hint="check that model(*args, **kwargs) works on these example inputs",
                ) from error

    def _read(self) -> torch.Tensor:
        """The flat vector that the copy holds now."""
        total = max((slot.offset + slot.numel for slot in self._slots), default=0)
        is_complex = any(slot.dtype.is_complex for slot in self._slots)
        flat = torch.zeros(total, dtype=torch.complex128 if is_complex else torch.float64)
        for slot in self._slots:
            values = self._targets[slot.name][0].detach().reshape(-1).cpu()
            flat[slot.offset : slot.offset + slot.numel] = values
        return flat

    def _write(self, flat: torch.Tensor) -> None:
        """Set parameters and buffers, tied ones under every name.

        Written in place on a copy that nobody else sees: modules that hold a second reference to
        a weight (`nn.LSTM` and its flat list) see the new values too.
        """
        for slot in self._slots:
            values = _as_slot(flat[slot.offset : slot.offset + slot.numel], slot)
            for target in self._targets[slot.name]:
                if not slot.dtype.is_floating_point and not slot.dtype.is_complex:
                    if torch.equal(target.to(values.dtype).cpu(), values):
                        continue  # also keeps integers beyond 2**53 exact
                    values = values.round()
                target.copy_(values.reshape(target.shape))


def flatten_outputs(value: Any, path: str = "output") -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of a model's result with a readable name; caches of key-value pairs left out."""
    if isinstance(value, torch.Tensor):
        yield path, value
        return
    for step, item in _children(value):
        yield from flatten_outputs(item, path + step)


def _children(value: Any) -> list[tuple[str, Any]]:
    """The parts of a container with the step that leads to each; nothing for any other object."""
    if any(c.__module__ == "transformers.cache_utils" for c in type(value).__mro__):
        return []
    if isinstance(value, Mapping):
        return [(f".{key}", item) for key, item in value.items() if key != "past_key_values"]
    if isinstance(value, tuple | list):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value)]
    if type(value) in _pytree.SUPPORTED_NODES:
        return [(f"[{index}]", item) for index, item in enumerate(_pytree.tree_leaves(value))]
    return []


def difference(left: Outputs, right: Outputs) -> float:
    """The largest difference of two results, relative to the largest entry of each output.

    NaN and infinities must stand at the same places; integer outputs must be equal (else the
    difference is infinite).
    """
    if left.keys() != right.keys():
        return float("inf")
    return max((_difference(left[name], right[name]) for name in left), default=0.0)


def finite(outputs: Outputs) -> bool:
    """Whether no output has a NaN or an infinity."""
    return all(bool(torch.isfinite(t).all()) for t in outputs.values() if _inexact(t))


def judgeable(outputs: Outputs) -> bool:
    """Whether every output has an entry that can be compared."""
    sized = [t for t in outputs.values() if t.numel()]
    return bool(sized) and all(bool(torch.isfinite(t).any()) for t in sized if _inexact(t))


def permuted(flat: torch.Tensor, image: Array) -> torch.Tensor:
    """Move entry k of `flat` to `image[k]`."""
    out = torch.empty_like(flat)
    out[torch.from_numpy(np.ascontiguousarray(image))] = flat
    return out


def _difference(left: torch.Tensor, right: torch.Tensor) -> float:
    if left.shape != right.shape:
        return float("inf")
    if not _inexact(left):
        return 0.0 if torch.equal(left, right) else float("inf")
    finite = torch.isfinite(left) & torch.isfinite(right)
    same = (left == right) | (torch.isnan(left) & torch.isnan(right))
    if not bool((finite | same).all()):
        return float("inf")
    if not bool(finite.any()):
        return 0.0
    gap = float((left[finite] - right[finite]).abs().max())
    size = float(left[finite].abs().max())
    return gap / size if size else (0.0 if gap == 0 else float("inf"))


def _inexact(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _own(value: Any) -> Any:
    """A copy of an input in double precision that has nothing to do with autograd."""
    return widen(value.detach().clone()) if isinstance(value, torch.Tensor) else value


def _as_slot(part: torch.Tensor, slot: Slot) -> torch.Tensor:
    """A piece of the flat vector in the shape of its slot, real unless the slot is complex."""
    real = part.real if part.is_complex() and not slot.dtype.is_complex else part
    return real.reshape(slot.shape)


def _double_copy(model: nn.Module) -> nn.Module:
    """A deep copy in double precision; plain tensor attributes are widened too."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            # Old-style weight norm keeps a computed weight, which deepcopy refuses.
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        clone = copy.deepcopy(model, memo)
    except Exception as error:
        raise OracleError(
            f"the oracle cannot copy the model: {type(error).__name__}: {error}",
            hint="the model must survive copy.deepcopy(model)",
        ) from error
    rebind_closures(clone, memo)
    clone._apply(widen)
    for module in clone.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, torch.Tensor):
                vars(module)[name] = widen(value)
    return clone


def _targets(model: nn.Module, graph: ParameterGraph) -> dict[str, list[torch.Tensor]]:
    """For each slot, the tensors of the copy under its name and its aliases."""
    named: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
    named.update(model.named_buffers(remove_duplicate=False))
    out: dict[str, list[torch.Tensor]] = {}
    for slot in graph.slots:
        found = {id(named[n]): named[n] for n in (slot.name, *slot.aliases) if n in named}
        tensors = list(found.values())
        if slot.name not in named:
            raise OracleError(
                f"the graph has a slot {slot.name!r}, but the model has no such entry",
                hint="extract the graph again from this model",
            )
        if any(t.numel() != slot.numel for t in tensors):
            shapes = [tuple(t.shape) for t in tensors]
            raise OracleError(
                f"slot {slot.name!r} is {slot.shape} in the graph and {shapes} in the model",
                hint="extract the graph again from this model",
            )
        if any(t.is_meta for t in tensors):
            raise OracleError(
                f"{slot.name!r} is on the meta device: the oracle must run the model",
                hint="build the model with weights (random ones will do)",
            )
        out[slot.name] = tensors
    return out

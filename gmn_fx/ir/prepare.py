"""Run a model without leaving a trace on it: what capture and the oracle both need.

`restored` puts a model back exactly as it was found; `prepared` also switches off what changes
the computation without changing the function (key-value caches, fused attention kernels).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

_CONTAINERS = (dict, list, set)


@contextmanager
def restored(model: nn.Module) -> Iterator[nn.Module]:
    """Restore modes, attributes, hooks, buffers, gradients, flags and random state on exit."""
    modules = list(dict.fromkeys(model.modules()))
    attributes = [dict(vars(m)) for m in modules]
    values = [v for saved in attributes for v in saved.values()]
    containers = [(v, _copy(v)) for v in values if isinstance(v, _CONTAINERS)]
    buffers = [(b, b.detach().clone()) for b in model.buffers() if not b.is_meta]
    params = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    with torch.random.fork_rng(devices=[]):
        try:
            yield model
        finally:
            for module, saved in zip(modules, attributes, strict=True):
                vars(module).clear()
                vars(module).update(saved)
            for live, kept in containers:
                _refill(live, kept)
            for param, flag, grad in params:
                if param.requires_grad != flag:
                    param.requires_grad_(flag)
                param.grad = grad
            _restore_buffers(buffers)


@contextmanager
def prepared(model: nn.Module, *, grad: bool = False) -> Iterator[nn.Module]:
    """`restored`, and inside the block the model computes its outputs and nothing else.

    Hugging Face `use_cache` is off, `torch.compile` wrappers run eagerly, the fused
    transformer kernels are off, warnings of the model and of torch are not printed, random
    numbers start from one seed, and autograd is off unless `grad`.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(restored(model))
        stack.enter_context(_without_use_cache(model))
        stack.enter_context(_without_fast_path())
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.set_grad_enabled(grad))
        torch.manual_seed(0)
        yield model


def clear_caches(model: nn.Module) -> tuple[str, ...]:
    """Empty tensor caches that an earlier forward left on modules; call inside `restored`.

    A cached tensor that was computed from parameters would enter the graph as a constant, and
    the parameters would be lost. A cache is a plain attribute that is called so, or a tensor
    that still hangs on the autograd graph of the forward that made it.

    Returns:
        The dotted names of what was emptied.
    """
    cleared = []
    for path, module in model.named_modules():
        for name, value in list(vars(module).items()):
            called_so = "cache" in name.lower()
            if isinstance(value, torch.Tensor) and (called_so or value.grad_fn is not None):
                setattr(module, name, None)
            elif called_so and _is_tensor_dict(value):
                value.clear()
            else:
                continue
            cleared.append(f"{path}.{name}" if path else name)
    return tuple(cleared)


def _is_tensor_dict(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(torch.is_tensor, value.values()))


def _copy(container: Any) -> Any:
    """A shallow copy in plain form; subclasses such as OrderedDict keep their order."""
    return dict(container) if isinstance(container, dict) else container.copy()


def _refill(live: Any, kept: Any) -> None:
    """Give `live` the contents `kept`, touching it only if they differ."""
    if isinstance(live, list):
        if len(live) != len(kept) or any(a is not b for a, b in zip(live, kept, strict=True)):
            live[:] = kept
    elif isinstance(live, set):
        if live != kept:
            live.clear()
            live.update(kept)
    elif list(live) != list(kept) or any(live[k] is not kept[k] for k in kept):
        live.clear()
        live.update(kept)


def _restore_buffers(buffers: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Write back the values of buffers that a forward changed in place."""
    with torch.no_grad():
        for live, kept in buffers:
            if live.shape != kept.shape:
                live.set_(kept)  # type: ignore[call-overload]
            elif not _identical(live, kept):
                live.copy_(kept)


def _identical(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors hold the same values; NaN equals NaN, doubt means no."""
    try:
        return bool(torch.equal(a, b))
    except (RuntimeError, NotImplementedError):
        return False


@contextmanager
def _without_use_cache(model: nn.Module) -> Iterator[None]:
    """Set `use_cache=False` on every Hugging Face config in the model."""
    configs = _configs(model)
    saved = [config.use_cache for config in configs]
    try:
        for config in configs:
            config.use_cache = False
        yield
    finally:
        for config, value in zip(configs, saved, strict=True):
            config.use_cache = value


def _configs(model: nn.Module) -> list[Any]:
    """Distinct config objects (and their sub-configs) that carry a boolean `use_cache`."""
    found: dict[int, Any] = {}
    queue = [vars(module).get("config") for module in model.modules()]
    seen: set[int] = set()
    while queue:
        config = queue.pop()
        if config is None or id(config) in seen or not hasattr(config, "__dict__"):
            continue
        seen.add(id(config))
        if isinstance(vars(config).get("use_cache"), bool):
            found[id(config)] = config
        queue.extend(v for k, v in vars(config).items() if _is_sub_config(k, v))
    return list(found.values())


def _is_sub_config(name: str, value: object) -> bool:
    return hasattr(value, "__dict__") and ("config" in name or name in ("encoder", "decoder"))


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """Keep `nn.TransformerEncoderLayer` and `nn.MultiheadAttention` out of their fused kernels."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)

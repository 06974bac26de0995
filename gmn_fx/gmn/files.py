"""Save and load a metanet: a safetensors file whose metadata hold configuration and vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from gmn_fx.errors import FileError
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.heads import EquivariantGMN, InvariantGMN, NodeGMN
from gmn_fx.gmn.model import GMN
from gmn_fx.gmn.vocabulary import Vocabulary
from gmn_fx.graph.files import replacing

_KINDS: dict[str, Any] = {
    "GMN": GMN, "InvariantGMN": InvariantGMN, "NodeGMN": NodeGMN, "EquivariantGMN": EquivariantGMN,
}  # fmt: skip
_FORMAT = "gmn-fx metanet 1"


def save_gmn(model: torch.nn.Module, path: str | Path) -> None:
    """Write a metanet; the file opens without this package as plain safetensors.

    Raises:
        FileError: it cannot be written, or `model` is none of the metanets of gmn-fx.
    """
    kind = type(model).__name__
    if _KINDS.get(kind) is not type(model):
        raise FileError(
            f"a {kind} cannot be saved as a metanet",
            hint=f"save one of {', '.join(_KINDS)}; for your own module use torch.save",
        )
    core = model if isinstance(model, GMN) else model.gmn
    meta = {
        "format": _FORMAT,
        "kind": kind,
        "config": core.config.to_json(),  # type: ignore[union-attr,operator]
        "vocabulary": core.vocabulary.to_json(),  # type: ignore[union-attr,operator]
        "extra": json.dumps(_extra(model)),
    }
    tensors = {name: t.detach().contiguous() for name, t in model.state_dict().items()}
    with replacing(path) as file:
        file.write(save(tensors, metadata=meta))


def load_gmn(path: str | Path, *, device: str = "cpu") -> Any:
    """The metanet that `save_gmn` wrote; nothing is unpickled. FileError for any other file."""
    try:
        with safe_open(str(path), framework="pt", device=device) as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise FileError(f"cannot read {path}: {error}", hint="give a file of save_gmn") from error
    if meta.get("format") != _FORMAT or meta.get("kind") not in _KINDS:
        raise FileError(
            f"{path} is no metanet of gmn-fx (format {meta.get('format')!r})",
            hint="give a file of save_gmn",
        )
    config = GMNConfig.from_json(meta["config"])
    vocabulary = Vocabulary.from_json(meta["vocabulary"])
    model = _KINDS[meta["kind"]](config, vocabulary, **json.loads(meta["extra"]))
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise FileError(
            f"{path} does not hold the weights of its configuration: {error}"
        ) from error
    return model.to(device)


def _extra(model: torch.nn.Module) -> dict[str, Any]:
    """Arguments of the head beside configuration and vocabulary."""
    if isinstance(model, InvariantGMN):
        return {"out_features": model.head[-1].out_features, "pool": model.pool}
    if isinstance(model, NodeGMN):
        return {"out_features": model.head.out_features}
    return {}

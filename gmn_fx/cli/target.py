"""TARGET, its weights and its inputs: what gmn-extract and gmn-verify share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gmn_fx.cli.common import models_print_to_stderr, say

if TYPE_CHECKING:
    from gmn_fx.registry import Plugin

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Target:
    """A model that is ready to be captured, and inputs on which it runs."""

    model: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    plugins: tuple[Plugin, ...]
    name: str


def target_options(command: F) -> F:
    """The options that say which model, with which weights, on which inputs."""
    options = (
        click.option("--entry", metavar="NAME", help="Which name in TARGET is the model."),
        click.option(
            "--weights",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Checkpoint: .safetensors, or a state_dict (never unpickled).",
        ),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="[NAME:]SHAPE[:DTYPE]",
            help="Example input, e.g. 1x3x224x224 or ids:2x16:int64. Repeatable.",
        ),
        click.option("--seed", default=0, show_default=True, help="Seed of every random number."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def open_target(
    target: str,
    *,
    entry: str | None,
    weights: Path | None,
    inputs: tuple[str, ...],
    seed: int,
    meta: bool = False,
    quiet: bool = False,
) -> Target:
    """Load the model of TARGET and its weights, and find inputs on which it runs."""
    import torch

    from gmn_fx.capture import infer_inputs, load_target, load_weights

    torch.manual_seed(seed)
    with models_print_to_stderr():
        loaded = load_target(target, entry, meta=meta)
        if weights is not None:
            say(f"weights: {load_weights(loaded.model, weights)}", quiet=quiet)
        found = infer_inputs(loaded.model, specs=inputs, args=loaded.args, kwargs=loaded.kwargs)
    say(f"inputs: {found}", quiet=quiet)
    return Target(loaded.model, found.args, found.kwargs, tuple(loaded.plugins), loaded.name)

"""The public functions: extract, verify, draw, load. The command line calls nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from gmn_fx.capture import RUNGS, describe, infer_inputs
from gmn_fx.capture import capture as run_capture
from gmn_fx.errors import UsageError
from gmn_fx.graph import ParameterGraph
from gmn_fx.ir.program import Program
from gmn_fx.lowering import build
from gmn_fx.registry import (
    Pass,
    Plugin,
    Registry,
    leaf_keys,
    load_registry,
    resolve_style,
    run_pipeline,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from gmn_fx.symmetry import OracleReport

View = Literal["auto", "architecture", "neuron", "hybrid"]
IR = Program | ParameterGraph
# Edges of the largest graph whose orbits a page shows: a few seconds.
MOST_EDGES_FOR_ORBITS = 2_000_000
ON_UNSUPPORTED = ("error", "opaque")


def _nothing(*_: Any) -> None:
    """The hook of a caller who does not listen."""


@dataclass(frozen=True)
class Hooks:
    """What `extract` tells its caller while it works. All are optional.

    stage: called with the name of the stage that begins.
    inputs: called with a sentence that says which example inputs are used.
    captured: called with the captured `Program`, before any pass.
    after: called after each pass with its name, the new IR, its seconds and whether it changed
        anything. The step that builds the graph out of the program is named "build".
    reproducer: where a failing pass leaves a file from which the failure can be run again.
    command: the command line that is written into the reproducer.
    """

    stage: Callable[[str], None] = _nothing
    inputs: Callable[[str], None] = _nothing
    captured: Callable[[Program], None] = _nothing
    after: Callable[[str, IR, float, bool], None] = _nothing
    reproducer: Path | None = None
    command: str = ""


def extract(
    model: nn.Module | ExportedProgram,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    capture: str = "auto",
    style: str | None = None,
    passes: str | Iterable[Pass] | None = None,
    on_unsupported: str = "error",
    plugins: Iterable[Plugin] = (),
    name: str | None = None,
    hooks: Hooks | None = None,
) -> ParameterGraph:
    """Turn `model` into a verified parameter graph.

    The model stays as it was found: mode, dtype, parameters, buffers, caches and hooks. The values
    of the graph are the model's own tensors, by reference; meta tensors give structure only.

    Args:
        model: a module, or an exported program.
        args: positional example inputs, a tuple as for `torch.export`. With neither `args` nor
            `kwargs` the inputs are inferred.
        kwargs: keyword example inputs.
        capture: "auto" climbs the ladder symbolic, export, concrete, record; a rung's name
            tries that one alone.
        style: the name of a pipeline: `"exact"` (default), or `"paper"`, the construction of Lim
            et al., whose symmetries the network does not have (docs/paper-style.md).
        passes: instead of a style, a pipeline: `"a,b{x=1}"`, or the passes themselves.
        on_unsupported: "error" lists every op without a rule; "opaque" keeps such an op as one
            conservative set of nodes joined to all that it reads.
        plugins: rules and passes for this call alone; they come before all others.
        name: name of the graph; the model's class by default.
        hooks: what to tell the caller meanwhile.

    Returns:
        The graph. `graph.notes` says what capture specialised.

    Raises:
        InputError: no example inputs are known, or the model cannot be run on them.
        CaptureError: no rung could capture the model.
        UnsupportedOpError: some ops have no lowering rule.
        GraphError: the result breaks one of P1 to P7.
    """
    _check_choice("capture", capture, ("auto", *RUNGS))
    _check_choice("on_unsupported", on_unsupported, ON_UNSUPPORTED)
    told = hooks or Hooks()
    if not isinstance(model, nn.Module):
        model, args, kwargs = _unpack(model, args, kwargs)
    registry = load_registry(_plugins(plugins))
    pipeline = resolve_style(style, passes, registry)
    program = _capture(model, args, kwargs, capture, registry, told)
    if name is not None:
        program = replace(program, name=name)
    told.captured(program)
    told.stage("lower")
    graph = _lower(program, pipeline, registry, on_unsupported, told)
    told.stage("verify the graph")
    values = _values(model, graph)
    if values:
        graph = graph.bind(values)
    graph.verify()
    return graph


def _capture(
    model: nn.Module,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    rung: str,
    registry: Registry,
    hooks: Hooks,
) -> Program:
    if args is None and kwargs is None:
        hooks.stage("find example inputs")
        found = infer_inputs(model)
        args, kwargs, how = found.args, found.kwargs, str(found)
    else:
        how = describe(args_of(args), kwargs or {})
    hooks.inputs(how)
    hooks.stage("capture")
    classes, functions = leaf_keys(registry.rules)
    return run_capture(model, args_of(args), kwargs, rung=rung, leaves=(*classes, *functions))


def _lower(
    program: Program,
    pipeline: Sequence[Pass],
    registry: Registry,
    on_unsupported: str,
    hooks: Hooks,
) -> ParameterGraph:
    explain = registry.rules.describe_missing

    def step(ir: Program) -> ParameterGraph:
        return build(ir, registry.rules, on_unsupported, explain=explain)

    result = run_pipeline(
        program,
        pipeline,
        build=step,
        registry=registry,
        after=hooks.after,
        reproducer=hooks.reproducer,
        command=hooks.command,
    )
    if not isinstance(result, ParameterGraph):
        raise UsageError(
            "the pipeline does not end in a parameter graph",
            hint='leave "build" to gmn-fx, or add the graph passes: --list-passes shows them',
        )
    return result


def verify(
    model: nn.Module,
    graph: ParameterGraph,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    seeds: int = 3,
) -> OracleReport:
    """Prove that `graph` means `model`: its symmetries leave the model's function unchanged.

    Random automorphisms of the typed graph are pushed to the parameters; the permuted model must
    compute the same outputs in float64. Negative controls must be caught.

    Args:
        model: the module that the graph was extracted from; it is left as it was found.
        graph: the graph.
        args: positional example inputs; with neither `args` nor `kwargs` they are inferred.
        kwargs: keyword example inputs.
        seeds: how many random automorphisms to try.

    Returns:
        What was found: `report.ok`, the checks, and the orbits.
    """
    from gmn_fx.symmetry import verify as run_oracle

    if args is None and kwargs is None:
        found = infer_inputs(model)
        args, kwargs = found.args, found.kwargs
    return run_oracle(model, graph, args_of(args), dict(kwargs or {}), seeds=seeds)


def draw(
    graph: ParameterGraph,
    path: str | Path | None = None,
    *,
    other: ParameterGraph | None = None,
    view: View = "auto",
    max_boxes: int = 80,
    max_edges: int = 100_000,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
) -> str:
    """Draw `graph`.

    Args:
        graph: the graph.
        path: file to write as well: `.svg`, `.png`, `.pdf`, `.html` for a page to explore the
            graph (or what differs), or `.dot` for the text that graphviz reads.
        view: "architecture" (a box for a group), "neuron" (a dot for a neuron), "hybrid" (first
            and last neurons of wide groups, the strongest edges between them), or "auto" (by
            size).
        other: a second graph: draw what differs from `graph` to `other`.
        max_boxes: architecture view: with more groups than this, modules are folded into boxes.
        max_edges: neuron view: larger graphs are refused.
        rankdir: architecture view: from top to bottom, or from left to right.
        depth: architecture view: modules nested this deep are one box each.
        fold_repeats: architecture view: draw blocks that repeat once, with their number.

    Returns:
        The SVG text, or the DOT or HTML text if `path` ends in `.dot` or `.html`.

    Raises:
        DrawError: there is no renderer, or the graph is too large for the view.
    """
    from gmn_fx.drawing import draw as run_draw

    return run_draw(
        graph, path, other=other, view=view, max_boxes=max_boxes, max_edges=max_edges,
        rankdir=rankdir, depth=depth, fold_repeats=fold_repeats,
        orbits=_orbits,
    )  # fmt: skip


def _orbits(graph: ParameterGraph) -> npt.NDArray[np.int64] | None:
    """Which neurons may be exchanged; None where finding out would take minutes."""
    from gmn_fx.symmetry import node_orbits

    if graph.equalities or graph.num_edges > MOST_EDGES_FOR_ORBITS:
        return None
    return node_orbits(graph)


def load(path: str | Path) -> ParameterGraph:
    """Read a `graph.pt`. Nothing in the file is ever executed."""
    return ParameterGraph.load(path)


def args_of(args: Sequence[Any] | None) -> tuple[Any, ...]:
    """`args` as a tuple; a lone tensor is a mistake that would be unpacked along its batch."""
    if isinstance(args, Tensor):
        raise UsageError("args is a tensor", hint="give a tuple, as for torch.export: args=(x,)")
    return tuple(args or ())


def _plugins(plugins: Iterable[Plugin]) -> tuple[Plugin, ...]:
    found = (plugins,) if isinstance(plugins, Plugin) else tuple(plugins)
    wrong = [p for p in found if not isinstance(p, Plugin)]
    if wrong:
        raise UsageError(
            f"plugins holds a {type(wrong[0]).__name__}", hint="plugins=(gmn_fx.Plugin(...),)"
        )
    return found


def _check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{what}={value!r} is not known", hint=f"one of {', '.join(choices)}")


def _unpack(
    program: ExportedProgram, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
) -> tuple[nn.Module, Sequence[Any] | None, Mapping[str, Any] | None]:
    """An exported program as a module, with the example inputs that it was exported on."""
    from torch.export import ExportedProgram

    if not isinstance(program, ExportedProgram):
        raise UsageError(
            f"model is a {type(program).__name__}, not an nn.Module or an ExportedProgram",
            hint="give the module itself; gmn_fx.load reads graph files, gmn-extract model files",
        )
    if args is None and kwargs is None and program.example_inputs is not None:
        args, kwargs = program.example_inputs
    return program.module(check_guards=False), args, kwargs


def _values(model: nn.Module, graph: ParameterGraph) -> dict[str, Tensor]:
    """The model's tensors under the names of the graph's slots: no copy is made."""
    found: dict[str, Tensor] = {
        **dict(model.named_buffers(remove_duplicate=False)),
        **dict(model.named_parameters(remove_duplicate=False)),
    }
    values = {slot.name: found[slot.name].detach() for slot in graph.slots if slot.name in found}
    return {} if any(v.is_meta for v in values.values()) else values

"""The oracle: random automorphisms of the graph must leave the network's function unchanged.

1. Colour nodes and edges with every integer feature, refine (`refine`).
2. Draw random automorphisms (`automorphism`).
3. Push each through edge -> slot: a permutation of the parameter vector.
4. Permute random parameters, run the network in float64, compare (`runner`).
5. Negative controls (`controls`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from gmn_fx.errors import OracleError
from gmn_fx.graph.model import ONE_PATH, ParameterGraph
from gmn_fx.symmetry.automorphism import (
    Automorphism,
    Symmetry,
    parameter_map,
    random_automorphism,
    sampled_orbits,
)
from gmn_fx.symmetry.controls import (
    column_controls,
    find_culprits,
    fresh_where_unused,
    slot_controls,
    small_moves,
)
from gmn_fx.symmetry.orbits import orbit_table
from gmn_fx.symmetry.report import ColumnControl, Culprit, OracleReport, SlotControl, Trial
from gmn_fx.symmetry.runner import Example, Outputs, Runner, difference, finite, judgeable, permuted
from gmn_fx.symmetry.typed import Array, Columns, columns_of, typed_graph

# Outputs may overflow at full size (deep nets without norms); then weights shrink.
_SCALES = (1.0, 0.5, 0.1)
_CALM = 0.5
# Small moves beside each random automorphism: at most so many, and fewer on large graphs.
_MOST_MOVES = 6
_EDGES_FOR_MOVES = 500_000


def verify(
    model: nn.Module,
    graph: ParameterGraph,
    args: tuple[Any, ...] | None = None,
    kwargs: dict[str, Any] | None = None,
    *,
    seeds: int = 3,
    tolerance: float = 1e-9,
    controls: bool = True,
    inputs: Sequence[Example] | None = None,
) -> OracleReport:
    """Prove by experiment that `graph` means `model`.

    The model is copied and left as it is found. Weights are random; only the architecture and
    the mode (training or evaluation) of `model` matter.

    Args:
        model: the network.
        graph: its parameter graph.
        args: example positional inputs.
        kwargs: example keyword inputs.
        seeds: how many automorphisms to try, each on fresh random weights.
        tolerance: largest allowed difference, relative to the largest entry of each output.
        controls: run the negative controls too.
        inputs: further examples `(args, kwargs)`; their outputs are compared as well.

    Returns:
        A report; `report.ok` is the verdict.

    Raises:
        OracleError: when nothing can be said: the model does not run, gives no tensors or only
            NaN, or does not belong to the graph.
    """
    examples = _examples(args, kwargs, inputs)
    if graph.equalities:
        raise OracleError(
            "the graph is raw: it still has equalities to be solved",
            hint="run the pass collapse-weight-sharing first",
        )
    if seeds < 1:
        raise OracleError("the oracle needs at least one seed", hint="seeds=3 is the default")
    columns = columns_of(graph)
    session = _Session(graph, columns, Runner(model, graph, examples), tolerance)
    return session.report(seeds, controls)


class _Session:
    """One verification: what its steps share."""

    def __init__(
        self,
        graph: ParameterGraph,
        columns: Columns,
        runner: Runner,
        tolerance: float,
        *,
        fixed: bool = False,
    ) -> None:
        self.fixed = fixed
        self.graph = graph
        self.columns = columns
        self.runner = runner
        self.tolerance = tolerance
        self.size = len(columns.category)
        self.symmetry = Symmetry.of(typed_graph(columns))
        moves = [nodes for _, nodes in small_moves(graph, self.symmetry)]
        colour, size = self.symmetry.stable.colour, self.symmetry.stable.size
        self.pairs = sorted(moves, key=lambda nodes: int(size[colour[nodes[0]]]))
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def report(self, seeds: int, controls: bool) -> OracleReport:
        """Run all steps."""
        trials, maps, moved = self._trials(seeds)
        flat, reference = self._weights(0)
        self._check_unused(flat, reference)
        held = self._held(seeds, controls) if self.problems else None
        if held is not None:
            return held
        culprits = self._culprits(flat, reference) if self.problems else ()
        by_slot, by_column = self._controls(flat, reference) if controls else ((), ())
        orbits = sampled_orbits(self.symmetry.graph.num_nodes, [m.node for m in maps])
        return OracleReport(
            ok=not self.problems,
            tolerance=self.tolerance,
            nodes=self.symmetry.graph.num_nodes,
            edges=self.symmetry.graph.num_edges,
            parameters=self.size,
            trials=trials,
            orbits=orbit_table(self.graph, self.symmetry, orbits),
            slot_controls=by_slot,
            column_controls=by_column,
            culprits=culprits,
            slots_moved=self._slot_names(moved),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
            style=self.graph.meta.get("style", ""),
        )

    def _held(self, seeds: int, controls: bool) -> OracleReport | None:
        """The report with the network held on the path of the example, if it has one.

        Of a graph that was captured on real values nothing else is claimed.
        """
        if self.fixed or self.graph.meta.get("capture") not in ONE_PATH:
            return None
        if not self.runner.hold_path():
            return None
        again = _Session(self.graph, self.columns, self.runner, self.tolerance, fixed=True)
        again.warnings.append(
            "random weights take other branches than the example did: what the graph says was "
            "judged along the branches of the example"
        )
        try:
            return again.report(seeds, controls)
        except OracleError:  # the numbers that were read belong to other shapes
            return None

    def _trials(self, seeds: int) -> tuple[tuple[Trial, ...], list[Automorphism], Array]:
        """Steps 2 to 4, once for each seed."""
        trials: list[Trial] = []
        maps: list[Automorphism] = []
        moved = np.zeros(self.size, dtype=bool)
        for seed in range(seeds):
            rng = np.random.default_rng([seed, 0])
            found = random_automorphism(self.symmetry, rng, stir=seed % 2 == 0)
            if found is None:
                self.warnings.append(f"seed {seed}: no automorphism was found, nothing was tried")
                continue
            weights = self._weights(seed)
            error, here = self._try(seed, found, *weights)
            moved |= here
            maps.append(found)
            small = [self._try(seed, move, *weights) for move in self._moves(seed, seeds)]
            for _, also in small:
                moved |= also
            error = max([error, *(e for e, _ in small)])
            trials.append(Trial(seed, error, found.moved_nodes(), int(here.sum()), len(small)))
        self._judge(trials, seeds)
        return tuple(trials), maps, np.flatnonzero(moved)

    def _try(
        self, seed: int, found: Automorphism, flat: torch.Tensor, reference: Outputs
    ) -> tuple[float, Array]:
        """How much an automorphism changes the outputs, and which parameters it moves."""
        image = parameter_map(self.symmetry.graph, found.edge, self.size)
        assert image is not None, "checked when the automorphism was drawn"
        here = image != np.arange(self.size)
        if not here.any():
            return 0.0, here
        error = difference(reference, self.runner.run(permuted(flat, image)))
        if not error <= self.tolerance:
            error = self._unsaturated(seed, image, error)
        return error, here

    def _moves(self, seed: int, seeds: int) -> Iterator[Automorphism]:
        """Automorphisms that move little; those of small cells first.

        A random automorphism exchanges two branches and two others at once as often as not, and
        hides that one exchange alone is none of the network's.
        """
        most = min(_MOST_MOVES, _EDGES_FOR_MOVES // max(1, self.symmetry.graph.num_edges))
        for number, nodes in enumerate(self.pairs[seed :: max(1, seeds)][:most]):
            rng = np.random.default_rng([seed, 4, number])
            found = random_automorphism(self.symmetry, rng, move=nodes)
            if found is not None:
                yield found

    def _unsaturated(self, seed: int, image: Array, error: float) -> float:
        """The difference with weights of half the size, if that is none.

        Large weights saturate: where a softmax has become 0 for several candidates, `topk` breaks
        the tie by index, which no permutation keeps. A wrong graph is wrong at any size.
        """
        flat = self.runner.random(seed, _CALM)
        reference = self.runner.run(flat)
        calm = difference(reference, self.runner.run(permuted(flat, image)))
        if not (finite(reference) and calm <= self.tolerance):
            return error
        self.warnings.append(
            f"seed {seed}: with large weights the outputs differ by {error:.1e}, with weights of "
            "half the size they do not: some choice (a top-k, a maximum) was a tie"
        )
        return calm

    def _judge(self, trials: list[Trial], seeds: int) -> None:
        """Turn trials into problems and warnings."""
        if not trials:
            raise OracleError(
                f"no automorphism of the graph was found in {seeds} searches",
                hint="the graph has equal-looking nodes that are not interchangeable; "
                "report this model",
            )
        for trial in trials:
            if not trial.error <= self.tolerance:
                self.problems.append(
                    f"P3: an automorphism of the graph (seed {trial.seed}) changes the output by "
                    f"{trial.error:.1e} relative (allowed: {self.tolerance:.0e})"
                )
        if all(trial.moved_parameters == 0 for trial in trials):
            self.warnings.append(
                "the graph has no symmetry that moves a parameter: nothing could be disproved"
            )

    def _weights(self, seed: int) -> tuple[torch.Tensor, Outputs]:
        """Random weights under which the outputs are finite, and these outputs."""
        tried = []
        for scale in _SCALES:
            flat = self.runner.random(seed, scale)
            tried.append((flat, self.runner.run(flat)))
            if finite(tried[-1][1]):
                break
        # Some outputs are infinite on purpose (masked scores): then the full size is best.
        good = [t for t in tried if finite(t[1])] or [t for t in tried if judgeable(t[1])]
        if not good or not judgeable(good[0][1]):
            raise OracleError(
                "the oracle cannot judge this model: an output is empty, or NaN or infinite "
                "throughout",
                hint="give example inputs on which the model computes finite numbers",
            )
        flat, outputs = good[0]
        again = difference(outputs, self.runner.run(flat))
        if again > 0:
            raise OracleError(
                f"the model is not deterministic: two equal runs differ by {again:.1e}",
                hint="switch off what is random in it, for example with model.eval()",
            )
        return flat, outputs

    def _check_unused(self, flat: torch.Tensor, reference: Outputs) -> None:
        """What is on no edge must not matter (P1)."""
        other = self.runner.random(2**31 - 1)
        changed = fresh_where_unused(flat, other, self.graph, self.columns)
        if torch.equal(changed, flat):
            return
        error = difference(reference, self.runner.run(changed))
        if not error <= self.tolerance:
            names = self._slot_names(torch.nonzero(changed != flat).reshape(-1).numpy())
            self.problems.append(
                f"P1: parameters on no edge change the output by {error:.1e}: {', '.join(names)}"
            )

    def _culprits(self, flat: torch.Tensor, reference: Outputs) -> tuple[Culprit, ...]:
        def change(image: Array) -> float:
            return difference(reference, self.runner.run(permuted(flat, image)))

        return find_culprits(self.graph, self.symmetry, self.size, change, self.tolerance, seed=0)

    def _controls(
        self, flat: torch.Tensor, reference: Outputs
    ) -> tuple[tuple[SlotControl, ...], tuple[ColumnControl, ...]]:
        """Step 5."""

        def change(image: Array) -> float:
            return difference(reference, self.runner.run(permuted(flat, image)))

        slots = slot_controls(self.graph, self.columns, change, self.tolerance, seed=0)
        if slots and not any(control.reacts for control in slots):
            self.problems.append(
                "no slot reacts to a shuffle of its elements: "
                "the output shows nothing of the weights"
            )
        for kind in sorted({k for control in slots for k in control.kinds}):
            mine = [control for control in slots if kind in control.kinds]
            if not any(control.reacts for control in mine):
                names = ", ".join(control.slot for control in mine)
                self.warnings.append(f"no {kind} slot reacts to a shuffle of its elements: {names}")
        columns = column_controls(self.columns, self.symmetry, change, self.tolerance, seed=0)
        return slots, columns

    def _slot_names(self, indices: Array) -> tuple[str, ...]:
        """Names of the slots in which these flat indices lie."""
        hit = np.zeros(self.size + 1, dtype=np.int64)
        hit[1:][indices] = 1
        total = np.cumsum(hit)
        return tuple(
            slot.name
            for slot in self.graph.slots
            if total[slot.offset + slot.numel] > total[slot.offset]
        )


def _examples(
    args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None, inputs: Sequence[Example] | None
) -> list[Example]:
    """All examples to run; at least one."""
    out = [] if args is None and kwargs is None else [(tuple(args or ()), dict(kwargs or {}))]
    out += [(tuple(a), dict(k)) for a, k in inputs or ()]
    if not out:
        raise OracleError(
            "the oracle needs example inputs to run the model on",
            hint="pass args=(x,), the same as for extract",
        )
    return out

"""Which operations of a model have no lowering rule?

    python tools/op_coverage.py                        the model zoo of the tests
    python tools/op_coverage.py gpt2 swin              some of it
    python tools/op_coverage.py --target model.py      a model of yours, as for gmn-extract
    python tools/op_coverage.py --all-aten             every ATen operator there is

A model is captured and run through the program passes of the default pipeline; then every node is
looked up. The exit code is 1 when an operation of a model has no rule.
"""

from __future__ import annotations

import argparse
import operator
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import fx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gmn_fx.capture import capture, infer_inputs, load_target
from gmn_fx.errors import GmnError
from gmn_fx.registry import Registry, leaf_keys, load_registry, resolve_passes, run_pipeline
from gmn_fx.registry.keys import spell

# The lowering itself handles these; they are no rules.
STRUCTURAL = {operator.getitem}


def nodes_of(sample: Any, registry: Registry) -> Iterator[fx.Node]:
    """The nodes that lowering meets; what depends on constants alone is computed instead."""
    model, args, kwargs = sample
    classes, functions = leaf_keys(registry.rules)
    program = capture(model, args, kwargs, leaves=(*classes, *functions))
    passes = [p for p in resolve_passes(None, registry) if p.level == "program"]
    lowered = run_pipeline(program, passes, registry=registry)
    varying: set[fx.Node] = set()
    for node in lowered.graph.nodes:  # type: ignore[union-attr]
        if node.op == "placeholder" and lowered.bindings[node.name].kind != "constant":
            varying.add(node)
        elif varying.intersection(node.all_input_nodes):
            varying.add(node)
            if node.op == "call_function" and node.target not in STRUCTURAL:
                yield node


def count(samples: Iterator[tuple[str, Any]], registry: Registry) -> tuple[Counter[str], Any, Any]:
    """Uses of each operation, its rule's owner, and the models in which it occurs."""
    uses: Counter[str] = Counter()
    owner: dict[str, str] = {}
    where: dict[str, list[str]] = {}
    for name, sample in samples:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            nodes = list(nodes_of(sample, registry))
        except GmnError as error:
            print(f"{name}: {error.message}", file=sys.stderr)
            continue
        for node in nodes:
            op, rule = spell(node.target), registry.rules.find(node)
            uses[op] += 1
            missing = rule is None or owner.get(op) == ""
            owner[op] = "" if missing else rule.owner  # type: ignore[union-attr]
            if name not in where.setdefault(op, []):
                where[op].append(name)
    return uses, owner, where


def samples(names: list[str], target: str | None) -> Iterator[tuple[str, Any]]:
    """The models to look at."""
    if target is not None:
        loaded = load_target(target, None)
        args, kwargs = loaded.args, loaded.kwargs
        if args is None and kwargs is None:
            found = infer_inputs(loaded.model)
            args, kwargs = found.args, found.kwargs
        yield target, (loaded.model, args or (), kwargs or {})
        return
    from tests.zoo import CASES

    for name in names or CASES:
        yield name, CASES[name].make()


def all_aten(registry: Registry) -> int:
    """Every functional ATen operator that takes and returns tensors, with or without a rule."""
    known = registry.rules.table
    rows = []
    for name in sorted(dir(torch.ops.aten)):
        packet = getattr(torch.ops.aten, name)
        if name.startswith("__") or not hasattr(packet, "overloads"):
            continue
        overloads = [getattr(packet, o) for o in packet.overloads()]
        plain = [o for o in overloads if not o._schema.is_mutable and o._schema.returns]
        pointwise = any(torch.Tag.pointwise in o.tags for o in plain)
        has = packet in known or any(o in known for o in plain)
        if plain:
            rows.append((name, "rule" if has else "pointwise" if pointwise else "none"))
    totals = Counter(state for _, state in rows)
    for name, state in rows:
        print(f"{state:10} {name}")
    print(", ".join(f"{number} {state}" for state, number in totals.most_common()))
    return 0


def main() -> int:
    """Print one line for each operation, the missing ones last."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="cases of the zoo; all by default")
    parser.add_argument("--target", help="a model.py or package.module:attribute")
    parser.add_argument("--all-aten", action="store_true", help="list ATen instead of a model")
    options = parser.parse_args()
    registry = load_registry()
    if options.all_aten:
        return all_aten(registry)
    uses, owner, where = count(samples(options.names, options.target), registry)
    for op, number in uses.most_common():
        if owner[op]:
            print(f"{number:7}  {len(where[op]):4} models  {op}  ({owner[op]})")
    missing = [op for op in uses if not owner[op]]
    for op in missing:
        print(f"{uses[op]:7}  NO RULE  {op}  in {', '.join(where[op][:5])}")
    print(f"{len(uses) - len(missing)} of {len(uses)} operations have a rule")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

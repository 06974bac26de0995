"""Extract and verify every model of the zoo, each in a process of its own.

    make sweep
    python tools/sweep.py [--seeds N] [--json FILE] [NAME ...]

Exit status 1 if a model fails. One line a model: seconds, sizes, and whether the oracle agrees.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def check(name: str, seeds: int) -> dict[str, Any]:
    """Everything about one model; an exception is its result, not ours."""
    sys.path.insert(0, str(ROOT))
    import gmn_fx
    from tests.zoo import CASES

    begin = time.perf_counter()
    row: dict[str, Any] = {"name": name, "ok": False}
    try:
        model, args, kwargs = CASES[name].make()
        graph = gmn_fx.extract(model, args, kwargs)
        report = gmn_fx.verify(model, graph, args, kwargs, seeds=seeds)
        row |= {
            "ok": report.ok,
            "nodes": graph.num_nodes,
            "edges": graph.num_edges,
            "rung": graph.meta["capture"],
            "reason": "; ".join(report.problems),
        }
    except Exception as error:
        row["reason"] = f"{type(error).__name__}: {error}"
    return row | {"seconds": round(time.perf_counter() - begin, 1)}


def main() -> int:
    """Run the sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.zoo import CASES

    names = options.names or list(CASES)
    rows = []
    with ProcessPoolExecutor(options.jobs, max_tasks_per_child=20) as pool:
        for row in pool.map(check, names, [options.seeds] * len(names)):
            rows.append(row)
            verdict = "ok   " if row["ok"] else "FAILS"
            print(
                f"{verdict} {row['name']:32} {row['seconds']:6.1f} s  {row.get('reason', '')}",
                flush=True,
            )
    good = sum(row["ok"] for row in rows)
    print(f"{good} of {len(rows)} models verified")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if good == len(rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""How long does `import gmn_fx` take beyond torch, and which heavy packages does it load?

    python -m benchmarks.bench_import [--repeat 9]

Each import runs in a fresh interpreter. Bar: 0.3 s beyond torch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.measure import bar, emit, summary

_CHILD = """
import json, sys, time
began = time.process_time()
import torch
torch_done = time.process_time()
import gmn_fx
package_done = time.process_time()
gmn_fx.extract, gmn_fx.ParameterGraph, gmn_fx.Plugin, gmn_fx.load
used = time.process_time()
heavy = [m for m in ("torch_geometric", "networkx", "graphviz", "pygraphviz", "rich", "click")
         if m in sys.modules and m not in before]
print(json.dumps({"torch": torch_done - began, "import": package_done - torch_done,
                  "first_use": used - package_done, "loaded": heavy}))
"""
# torch itself imports networkx here and there: only what gmn_fx adds counts.
_CHILD = _CHILD.replace("import gmn_fx\n", "before = set(sys.modules)\nimport gmn_fx\n", 1)


def once() -> dict[str, Any]:
    """CPU seconds of the imports in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    once()
    runs = [once() for _ in range(options.repeat)]
    results = {
        part: summary([run[part] for run in runs]) for part in ("torch", "import", "first_use")
    }
    beyond = statistics.median(run["import"] + run["first_use"] for run in runs)
    loaded = {name for run in runs for name in run["loaded"]}
    results_all = {**results, "beyond_torch": beyond, "loaded": sorted(loaded)}
    forbidden = len(loaded & {"torch_geometric", "networkx", "graphviz", "pygraphviz"})
    bars = [
        bar("import gmn_fx beyond torch", results["import"]["median"], 0.3, "s"),
        bar("the same with the public functions", beyond, 0.3, "s"),
        bar("heavy packages loaded by the import", forbidden, 0, ""),
    ]
    emit("bench_import", results_all, bars)


if __name__ == "__main__":
    main()

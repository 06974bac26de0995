"""Run every benchmark, each in its own process, and write RESULTS.md.

python benchmarks/run.py [bench_extract ...]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def names() -> list[str]:
    """All benchmarks, in order."""
    return sorted(path.stem for path in HERE.glob("bench_*.py"))


def run(name: str) -> dict[str, object]:
    """One benchmark in a fresh process on one thread."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def main() -> int:
    """Run what was named (all by default); 1 if a bar is missed."""
    wanted = sys.argv[1:] or names()
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"unknown benchmarks {unknown}; there are {names()}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    from benchmarks.report import write

    results = [run(name) for name in wanted]
    if not sys.argv[1:]:
        print(write(results), file=sys.stderr)
    else:
        json.dump(results, sys.stdout, indent=2)
        print()
    missed = [b["name"] for r in results for b in r["bars"] if b["met"] is False]  # type: ignore
    for name in missed:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

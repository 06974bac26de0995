"""Run `check` over many models: each in a process of its own, with a time limit, resumable."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError
from pathlib import Path

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from tools.sweep.row import Row

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("gmn_fx", "passes", "tests/zoo", "tools/sweep")
# Imported once, in the server that the workers are forked from.
_PRELOAD = [
    "torch",
    "torch._dynamo",
    "torch.export",
    "gmn_fx",
    "gmn_fx_passes",
    "tools.sweep.check",
]


def fingerprint() -> str:
    """Hash of all sources that a row depends on: a sweep resumes only on equal code."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class Journal:
    """Rows of this code that an earlier, interrupted sweep left; one JSON line each."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self.path = path
        self.code = fingerprint()
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh or not path.exists():
            path.write_text("")

    def rows(self) -> dict[str, Row]:
        """Finished rows by name."""
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return {c["name"]: Row.of(c) for c in lines if c.get("code") == self.code}

    def add(self, row: Row) -> None:
        """Append a row at once, so that an interruption loses nothing."""
        with self.path.open("a") as file:
            file.write(json.dumps({**row.to_json(), "code": self.code}) + "\n")


def run(
    names: Sequence[str],
    seen: Callable[[Row], None],
    *,
    jobs: int,
    limit: float,
    seeds: int,
    quick: bool,
) -> None:
    """Check `names` in `jobs` processes at a time; `seen` gets each row as it is finished.

    limit: seconds that one model may take. seeds, quick: as for `check`.
    """
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    with ProcessPool(max_workers=jobs, max_tasks=1, context=context) as pool:
        futures = [(n, pool.schedule(_check, args=(n, seeds, quick), timeout=limit)) for n in names]
        try:
            for name, future in futures:
                seen(_result(name, future, limit))
        except BaseException:
            pool.stop()
            raise


def _check(name: str, seeds: int, quick: bool) -> Row:
    from tools.sweep.catalogue import catalogue
    from tools.sweep.check import check

    # What a model library prints would run into the table.
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    return check(catalogue()[name], seeds=seeds, quick=quick)


def _result(name: str, future: ProcessFuture[Row], limit: float) -> Row:
    try:
        return future.result()
    except TimeoutError:
        return Row(name, reason=f"not finished after {limit:.0f} s", total=limit)
    except ProcessExpired as error:
        return Row(name, reason=f"the process died: {error}")


def select(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that start with one of `patterns`; all of them without any."""
    return [n for n in names if not patterns or n.startswith(tuple(patterns))]

"""How the benchmarks measure: one thread, CPU time, medians, ratios inside one process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def one_thread() -> None:
    """Ratios of CPU times mean something only on one thread."""
    torch.set_num_threads(1)


def clock_of(device: str) -> Callable[[], float]:
    """CPU time of this process; on an accelerator wall time, once all work is done."""
    if device == "cpu":
        return time.process_time

    def clock() -> float:
        torch.accelerator.synchronize()
        return time.perf_counter()

    return clock


def cpu_seconds(
    work: Callable[[], object], clock: Callable[[], float] = time.process_time
) -> float:
    """Seconds of one call by `clock`; the collector runs before, not during."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        began = clock()
        result = work()
        seconds = clock() - began
    finally:
        if enabled:
            gc.enable()
    del result
    return seconds


def interleaved(
    works: Mapping[str, Callable[[], object]],
    *,
    repeat: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds of each of `works`, `repeat` times, in turns: noise hits all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(warm_up + repeat):
        for name, work in works.items():
            seconds = cpu_seconds(work, clock)
            if turn >= warm_up:
                times[name].append(seconds)
    return times


def summary(times: list[float]) -> dict[str, float]:
    """Median, smallest and largest, in seconds."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


class PeakMemory:
    """Most resident memory between `start` and `extra`, beyond what was resident at `start`.

    The kernel keeps the high-water mark and resets it on request (Linux only; elsewhere the
    answer is None).
    """

    def __init__(self) -> None:
        self.base: int | None = None

    def start(self) -> None:
        """Give freed memory back, then reset the mark: what is taken again must count."""
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        try:
            _CLEAR.write_text("5")
        except OSError:
            self.base = None
        else:
            self.base = _kilobytes("VmRSS")

    def extra(self) -> int | None:
        """Bytes above the start."""
        if self.base is None:
            return None
        return 1024 * max(0, _kilobytes("VmHWM") - self.base)


def max_resident() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _kilobytes(field: str) -> int:
    line = next(s for s in _STATUS.read_text().splitlines() if s.startswith(field + ":"))
    return int(line.split()[1])


def structure_bytes(graph: Any) -> int:
    """Memory of a graph without its values: every object reachable from it, once."""
    seen: set[int] = set()
    parts = [getattr(graph, field.name) for field in fields(graph) if field.name != "values"]
    return sum(_size(part, seen) for part in parts)


def _size(value: Any, seen: set[int]) -> int:
    if id(value) in seen or value is None or isinstance(value, bool | torch.dtype | type):
        return 0
    seen.add(id(value))
    own = sys.getsizeof(value)
    if isinstance(value, np.ndarray):
        return own if value.base is None else own + _size(value.base, seen)
    if isinstance(value, Mapping):
        return own + sum(_size(k, seen) + _size(v, seen) for k, v in value.items())
    if isinstance(value, tuple | list | set | frozenset):
        return own + sum(_size(item, seen) for item in value)
    if is_dataclass(value):
        return own + sum(_size(getattr(value, f.name), seen) for f in fields(value))
    return own


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def bar(name: str, value: float | None, limit: float, unit: str = "") -> dict[str, Any]:
    """One requirement of the project: a measured value that must not exceed `limit`."""
    met = None if value is None else bool(value <= limit)
    return {"name": name, "value": value, "limit": limit, "unit": unit, "met": met}


def emit(benchmark: str, results: Any, bars: list[dict[str, Any]], *, title: str = "") -> None:
    """Print the outcome as JSON. A title asks for a section with a row for each entry."""
    out = {"benchmark": benchmark, "machine": machine(), "results": results, "bars": bars}
    if title:
        out["title"] = title
    json.dump(out, sys.stdout, indent=2)
    print()

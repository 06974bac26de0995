"""Corners of the ways on buses: in the own row of the picture, and from row to row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.buses import LANE, TRACK, Bus, Tracks, buses_of, levels_of, tracks_of
from gmn_fx.drawing.neurons.ends import Ends
from gmn_fx.drawing.neurons.gutters import FINE, Run, runs_of
from gmn_fx.drawing.neurons.layout import Layout

Array = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]


def corners_of(ends: Ends, plan: Layout) -> Numbers:
    """Corners of the ways of strokes on buses, [strokes, 6 or 8, 2], with both ends."""
    if not len(ends.src):
        return np.zeros((0, 6, 2))
    buses, which, place = buses_of(ends, plan)
    tracks = tracks_of(buses, plan)
    out = _in_row(ends, buses, which, place, tracks, plan)
    if plan.lines[-1] == 0:
        return out
    runs: dict[int, list[Run]] = {}
    for run in runs_of(buses, tracks, plan):
        runs.setdefault(run.bus, []).append(run)
    if any(len(r) > 1 for r in runs.values()):
        out = _longer(out)
    for k, mine in runs.items():
        strokes = np.flatnonzero(which == k)
        way = _far(ends.at(strokes), place[strokes], tracks[k], mine, plan)
        out[strokes] = way if way.shape[1] == out.shape[1] else _longer(way)
    return out


def _in_row(
    ends: Ends,
    buses: Sequence[Bus],
    which: Array,
    place: Array,
    tracks: Sequence[Tracks],
    plan: Layout,
) -> Numbers:
    """Ways around columns of the own row; those of others mean nothing."""
    level = levels_of(buses, tracks, plan)[which]
    back, below, lanes = (
        np.array([getattr(b, of) for b in buses])[which] for of in ("back", "below", "lanes")
    )
    # So parallels do not cross: at both ends the outermost lane belongs to the outermost node,
    # and turns first on the way out and last on the way in, or the other way on the way back.
    lane = np.where(below != back, place, lanes - 1 - place)
    far = lanes - 1 - lane
    at = np.array([(t.out, t.out_step, t.into, t.into_step) for t in tracks])[which]
    goal = level + LANE * np.where(below, lane, -lane)
    out = np.zeros((len(goal), 6, 2))
    out[:, 0], out[:, 5] = ends.a, ends.b
    out[:, 1:3, 0] = (at[:, 0] + at[:, 1] * np.where(back, lane, far))[:, None]
    out[:, 3:5, 0] = (at[:, 2] + at[:, 3] * np.where(back, far, lane))[:, None]
    out[:, 1, 1], out[:, 4, 1] = ends.a[:, 1], ends.b[:, 1]
    out[:, 2:4, 1] = goal[:, None]
    return out


def _far(ends: Ends, place: Array, at: Tracks, runs: Sequence[Run], plan: Layout) -> Numbers:
    """Ways of one bus through the gutters; runs: from its start to its end."""
    lanes, down = runs[0].lanes, runs[0].down
    # The node that is farthest from the gutter has the rightmost track, at both ends.
    track = lanes - 1 - place if down else place
    xs = [at.out + at.out_step * track]
    xs += [run.end + TRACK * track for run in runs[:-1]]
    xs.append(at.into + at.into_step * track)
    out = np.zeros((len(track), 2 * len(runs) + 4, 2))
    out[:, 0], out[:, -1] = ends.a, ends.b
    out[:, 1], out[:, -2] = _at(xs[0], ends.a[:, 1]), _at(xs[-1], ends.b[:, 1])
    for n, run in enumerate(runs):
        lane = track if run.leftward == down else lanes - 1 - track
        y = plan.gutters[run.gutter] + run.depth + FINE * lane
        out[:, 2 * n + 2], out[:, 2 * n + 3] = _at(xs[n], y), _at(xs[n + 1], y)
    return out


def _at(x: Floats, y: Floats) -> Numbers:
    return np.stack([x, y], axis=1).astype(np.float64)


def _longer(ways: Numbers) -> Numbers:
    """The same ways with two more corners, on the middle run."""
    start, end = ways[:, 2], ways[:, 3]
    more = [start + (end - start) / 3, start + 2 * (end - start) / 3]
    return np.concatenate([ways[:, :3], np.stack(more, axis=1), ways[:, 3:]], axis=1)

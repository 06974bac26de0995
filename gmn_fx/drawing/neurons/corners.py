"""Ways made of level and upright runs, with round corners, as chains of cubic curves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

# Radius of a corner where there is room for it.
_RADIUS = 14.0
# Distance of the control points of a quarter of a circle from its corner, in radii.
_NEAR = 0.45


def rounded(through: Numbers) -> Numbers:
    """Chains through the corners of ways, [ways, p, 2] -> [ways, 3 (2 p - 5) + 1, 2].

    The first and the last curve hold a run and a corner: ways leave their ends level.
    """
    steps = through[:, 1:] - through[:, :-1]
    long = np.linalg.norm(steps, axis=2)
    along = steps / np.maximum(long, 1e-9)[..., None]
    # Two corners share the run between them; the outer runs have one corner each.
    free = np.concatenate([long[:, :1], 0.5 * long[:, 1:-1], long[:, -1:]], axis=1)
    radius = np.minimum(_RADIUS, np.minimum(free[:, :-1], free[:, 1:]))[..., None]
    corner = through[:, 1:-1]
    into, out_of = corner - radius * along[:, :-1], corner + radius * along[:, 1:]
    near_in = corner - _NEAR * radius * along[:, :-1]
    near_out = corner + _NEAR * radius * along[:, 1:]
    chain = [through[:, 0]]
    for k in range(corner.shape[1]):
        if k:
            run = into[:, k] - out_of[:, k - 1]
            chain += [out_of[:, k - 1] + run / 3, into[:, k] - run / 3, into[:, k]]
        last = k == corner.shape[1] - 1
        chain += [near_in[:, k], near_out[:, k], through[:, -1] if last else out_of[:, k]]
    return np.stack(chain, axis=1)


def on_way(points: Numbers, t: float) -> Numbers:
    """Points of ways, [..., 3 k + 1, 2] -> [..., 2]; t from 0 to 1 along the chain."""
    curves = (points.shape[-2] - 1) // 3
    which = min(curves - 1, int(t * curves))
    t = t * curves - which
    weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    curve = points[..., 3 * which : 3 * which + 4, :]
    return np.asarray(np.einsum("k,...kx->...x", weights, curve))


def parted(single: Numbers, parts: int) -> Numbers:
    """Single curves, [ways, 4, 2], as `parts` in a row."""
    out = np.zeros((len(single), 3 * parts + 1, 2))
    out[:, 0] = single[:, 0]
    for k in range(parts):
        p, q = (on_way(single, t) for t in (k / parts, (k + 1) / parts))
        into, from_ = (_slope(single, t) / (3 * parts) for t in (k / parts, (k + 1) / parts))
        out[:, 3 * k + 1], out[:, 3 * k + 2], out[:, 3 * k + 3] = p + into, q - from_, q
    return out


def _slope(single: Numbers, t: float) -> Numbers:
    sides = single[:, 1:] - single[:, :-1]
    weights = np.array([3 * (1 - t) ** 2, 6 * t * (1 - t), 3 * t * t])
    return np.asarray(np.einsum("k,nkx->nx", weights, sides))

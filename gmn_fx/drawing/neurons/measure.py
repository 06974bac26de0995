"""How much room text and marks take: fonts differ, so nothing may depend on it closely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmn_fx.drawing.neurons.corners import on_way
from gmn_fx.drawing.neurons.parts import Bunch, Label, Mark, Outline, Point


def text_width(text: str, size: float) -> float:
    """About how wide `text` is, in pixels."""
    return 0.52 * size * len(text)


def extent(
    marks: Sequence[Mark],
    labels: Sequence[Label],
    outlines: Sequence[Outline],
    bunches: Sequence[Bunch],
) -> tuple[Point, Point]:
    """Top left and bottom right corner of everything."""
    xs, ys = [0.0], [0.0]
    for mark in marks:
        xs += [mark.at[0] - mark.radius, mark.at[0] + mark.radius]
        ys += [mark.at[1] - mark.radius, mark.at[1] + mark.radius]
    for label in labels:
        left, right = label_span(label)
        xs += [left, right]
        ys += [label.at[1] - label.size, label.at[1] + 2]
    for left, top, wide, high in (o.box for o in outlines):
        xs += [left, left + wide]
        ys += [top, top + high]
    for bunch in bunches:
        bent = bunch.points[~bunch.straight]
        if len(bent):
            # Control points of longer chains are at their corners: nothing goes beyond.
            through = (
                bent.reshape(-1, 2)
                if bent.shape[1] > 4
                else np.concatenate([on_way(bent, t) for t in np.linspace(0.05, 0.95, 13)])
            )
            xs += [float(through[:, 0].min()), float(through[:, 0].max())]
            ys += [float(through[:, 1].min()), float(through[:, 1].max())]
    return (min(xs), min(ys)), (max(xs), max(ys))


def label_span(label: Label) -> tuple[float, float]:
    """Left and right end of a label."""
    wide = text_width(label.text, label.size)
    left = label.at[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * wide
    return left, left + wide

"""Where a long network is broken into rows, as text is into lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

# Pictures up to this width, or up to so many times as wide as high, stay one row.
_WIDEST, _FLATTEST = 2400.0, 3.0
# Width to height of a picture in rows; room around it and between two rows.
_SHAPE, _AROUND = 1.6, 150.0
# A row may be longer than the mean by this factor; price of being a whole mean off.
_LONGEST, _UNEVEN = 1.6, 5.0


def too_long(width: float, height: float) -> bool:
    """Whether one row of this size would be too wide to be read, and too flat."""
    return width > _WIDEST and width > _FLATTEST * (height + _AROUND)


def best_count(width: float, height: float, size_of: Callable[[int], tuple[float, float]]) -> int:
    """How many rows give the picture a shape that can be read.

    width, height: of one row. size_of: width and height of the picture with so many rows.
    """

    def off(count: int) -> float:
        wide, high = size_of(count)
        return math.log((wide + _AROUND) / (high + _AROUND) / _SHAPE)

    count = max(2, int(math.sqrt(width / (_SHAPE * (height + _AROUND)))))
    best = off(count)
    step = 1 if best > 0 else -1
    while count + step >= 2:
        other = off(count + step)
        if abs(other) >= abs(best):
            break
        count, best = count + step, other
    return count


def broken(gaps: Sequence[float], crossing: Sequence[float], count: int) -> tuple[int, ...]:
    """Row of each column, for `count` rows: breaks where little crosses, rows about as long.

    gaps: room behind each column but the last. crossing: price of a break before each column.
    """
    columns = len(crossing)
    starts = [0.0]
    for gap in gaps:
        starts.append(starts[-1] + gap)
    mean = starts[-1] / count or 1.0
    longest = max(_LONGEST * mean, mean + 2 * max(gaps, default=0.0))
    scale = sum(crossing[1:]) / max(1, columns - 1) or 1.0
    # least[j]: least price of the columns before j in so many rows, and where the last row starts.
    least: list[tuple[float, int]] = [(0.0, 0)] + [(math.inf, 0)] * columns
    back = []
    for _ in range(count):
        longer: list[tuple[float, int]] = [(math.inf, 0)] * (columns + 1)
        for end in range(1, columns + 1):
            for start in range(end - 1, -1, -1):
                long = starts[end - 1] - starts[start]
                if long > longest:
                    break
                price = least[start][0] + _UNEVEN * ((long - mean) / mean) ** 2
                price += crossing[start] / scale if start else 0.0
                longer[end] = min(longer[end], (price, start))
        back.append(longer)
        least = longer
    return _lines(back, columns)


def _lines(back: Sequence[Sequence[tuple[float, int]]], columns: int) -> tuple[int, ...]:
    """From the starts of last rows to the row of each column."""
    out = [0] * columns
    end = columns
    for line in range(len(back) - 1, -1, -1):
        start = back[line][end][1]
        out[start:end] = [line] * (end - start)
        end = start
    return tuple(out)

"""Where a long network is broken into rows, as text is into lines."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

# Pictures up to this width, or up to so many times as wide as high, stay one row.
_WIDEST, _FLATTEST = 2400.0, 3.0
# Width to height of a picture in rows; room around it and between two rows.
_SHAPE, _AROUND = 1.6, 150.0
# Price of a row that is longer or shorter than the mean by a whole mean.
_UNEVEN = 5.0


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

    count = max(2, round(math.sqrt(width / (_SHAPE * (height + _AROUND)))))
    # Half as many rows make them twice as long, and the picture half as high.
    count = max(2, round(count * math.exp(off(count) / 2)))
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
    starts = [0.0, *accumulate(gaps)]
    mean = starts[-1] / count or 1.0
    # A row ends near its share of the whole: so the work does not grow with the square.
    band = max(0.5 * mean, 2 * max(gaps, default=0.0))
    found = _rows(starts, crossing, count, band) or _rows(starts, crossing, count, math.inf)
    assert found is not None  # As many rows as columns at most.
    return found


def _rows(
    starts: Sequence[float], crossing: Sequence[float], count: int, band: float
) -> tuple[int, ...] | None:
    """The cheapest rows that end at most `band` from their share; None where there are none.

    starts: x of the columns in one row.
    """
    columns = len(starts)
    mean = starts[-1] / count or 1.0
    scale = sum(crossing[1:]) / max(1, columns - 1) or 1.0
    # Before column j in so many rows: least price, and where the last row starts.
    least: dict[int, float] = {0: 0.0}
    back: list[dict[int, int]] = []
    for row in range(1, count + 1):
        longer: dict[int, float] = {}
        begin: dict[int, int] = {}
        low = bisect_left(starts, row * mean - band) + 1
        high = bisect_right(starts, row * mean + band)
        for end in range(low, high + 1) if row < count else (columns,):
            for start, price in least.items():
                if start >= end:
                    break
                long = starts[end - 1] - starts[start]
                price += _UNEVEN * ((long - mean) / mean) ** 2
                price += crossing[start] / scale if start else 0.0
                if price < longer.get(end, math.inf):
                    longer[end], begin[end] = price, start
        back.append(begin)
        least = longer
    return _lines(back, columns) if least else None


def _lines(back: Sequence[Mapping[int, int]], columns: int) -> tuple[int, ...]:
    """From the starts of last rows to the row of each column."""
    out = [0] * columns
    end = columns
    for line in range(len(back) - 1, -1, -1):
        start = back[line][end]
        out[start:end] = [line] * (end - start)
        end = start
    return tuple(out)

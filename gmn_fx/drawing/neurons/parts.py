"""What a neuron picture is made of; the writers turn these into SVG and DOT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing.neurons.strokes import Strokes

Numbers = npt.NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """One node. node: its id, -1 in the legend."""

    node: int
    role: str
    at: Point
    radius: float
    about: str = ""


@dataclass(frozen=True)
class Label:
    """Text at a point; `anchor` as in SVG, `pale` for what is read second."""

    text: str
    at: Point
    anchor: str = "middle"
    size: float = 9.0
    pale: bool = False
    bold: bool = False


@dataclass(frozen=True)
class Outline:
    """The frame of a group or of a head: left, top, width, height."""

    box: tuple[float, float, float, float]
    about: str
    head: bool = False


@dataclass(frozen=True)
class Line:
    """A straight sample line of the legend; cls: key of `palette.SIGNS` or `palette.EDGES`."""

    start: Point
    end: Point
    cls: str
    width: float
    dash: str = ""


@dataclass(frozen=True)
class Tile:
    """A kernel: cells of (class, opacity), row by row; `at` is the top left corner."""

    at: Point
    cell: float
    cols: int
    cells: tuple[tuple[str, float], ...]
    about: str


@dataclass(frozen=True)
class Bunch:
    """The strokes of one bundle.

    points: [strokes, 3 k + 1, 2], k cubic curves in a row; straight: [strokes].
    dash: of all of them, as in SVG. widths, opacities: by level. about: tooltips of the strokes,
    made when they are written.
    """

    strokes: Strokes
    points: Numbers
    straight: npt.NDArray[np.bool_]
    dash: str
    widths: tuple[float, ...]
    opacities: tuple[float, ...]
    about: Callable[[], list[str]]


@dataclass(frozen=True)
class Scene:
    """A whole picture, `width` x `height` pixels; coordinates start at (0, 0).

    left, top: where the body stands; header and legend are in coordinates of the picture.
    """

    title: str
    description: str
    width: float
    height: float
    left: float
    top: float
    outlines: tuple[Outline, ...]
    bunches: tuple[Bunch, ...]
    tiles: tuple[Tile, ...]
    marks: tuple[Mark, ...]
    labels: tuple[Label, ...]
    header: tuple[Label, ...]
    key: tuple[Mark | Line | Label | Tile | Outline, ...] = field(default=())

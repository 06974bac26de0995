"""The page of the explorer: our script and style, the data as text, and nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing import palette
from gmn_fx.drawing.explorer.data import explorer_data
from gmn_fx.drawing.text import escape, shorten
from gmn_fx.graph.model import ParameterGraph

# Single edges in a file: at most 17 bytes each before base64.
MAX_EDGES = 200_000
SCRIPTS = (
    "model.js", "boxes.js", "layout.js", "rows.js", "routes.js", "frames.js", "paint.js",
    "edges.js", "marks.js", "boxmarks.js", "under.js", "tips.js", "hover.js", "camera.js",
    "search.js", "tree.js", "print.js", "main.js",
)  # fmt: skip
STYLES = ("style.css",)


def explorer_html(
    graph: ParameterGraph,
    *,
    orbits: npt.NDArray[np.int64] | None = None,
    start: str = "auto",
    max_edges: int = MAX_EDGES,
) -> str:
    """HTML of the explorer of `graph`; it loads nothing and runs nothing but its own script.

    Args:
        graph: the graph.
        orbits: [nodes], equal numbers for neurons that may be exchanged; None if not known.
        start: `"open"` shows all neurons at first, `"closed"` the modules, `"auto"` by size.
        max_edges: most single edges in the file; the page says how many of how many it has.
    """
    data = explorer_data(graph, orbits, max_edges) | {"start": start}
    return page_html(data, graph.name or "network", SCRIPTS, STYLES)


def page_html(
    data: dict[str, Any], title: str, scripts: Sequence[str], styles: Sequence[str]
) -> str:
    """The page around `data`, with these assets."""
    script = '(() => {\n"use strict";\n' + "\n".join(map(_asset, scripts)) + "})();\n"
    style = _variables() + "".join(map(_asset, styles))
    # A hash for each: whatever else may get into the page, the browser will not run it.
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": escape(shorten(title, 80)),
        "style": style,
        "data": _inert(data),
        "script": script,
    }
    # Split once at the marks of the template: nothing in the parts is looked at again.
    pieces = re.split(r"<!--(\w+)-->", _asset("page.html"))
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _variables() -> str:
    """The colours of `palette` as variables of the style sheet."""

    def rule(theme: palette.Theme, mark: str) -> str:
        return (
            f":root{{--paper:{theme.paper};--ink:{theme.ink};--pale:{theme.pale};"
            f"--line:{theme.frame_line};--panel:{theme.frame};--mark:{mark};"
            f"--font:{palette.FONT}}}"
        )

    light, dark = rule(palette.LIGHT, palette.BLUE), rule(palette.DARK, palette.SKY)
    return f"{light}\n@media screen and (prefers-color-scheme: dark){{{dark}}}\n"


def _asset(name: str) -> str:
    return files("gmn_fx.drawing.explorer").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _inert(data: dict[str, Any]) -> str:
    """JSON that can end no element and begin none, whatever strings are in it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text

"""The structure of every case is what it was when somebody last looked at it (P6).

After a change that is meant: `python tools/update_goldens.py`, and read the difference.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.zoo import CASES, golden, xfail
from tests.zoo.extracted import graph_of

_LINES = {
    line.split(maxsplit=1)[0]: line
    for line in (golden.SUMMARY.read_text().splitlines() if golden.SUMMARY.exists() else ())
}
HINT = "python tools/update_goldens.py"


def _cases() -> list[Any]:
    marks = {name: [pytest.mark.slow] if CASES[name].heavy else [] for name in CASES}
    return [
        pytest.param(name, id=name, marks=marks[name])
        for name in CASES
        if name not in xfail.MEANING
    ]


@pytest.mark.parametrize("name", _cases())
def test_structure_is_as_recorded(name: str) -> None:
    graph = graph_of(name)
    assert golden.summary_line(name, graph) == _LINES.get(name), HINT
    if name in golden.TEXTS:
        assert golden.text_of(graph) == golden.text_path(name).read_text(), HINT


def test_no_stale_goldens() -> None:
    """Every line and every file belongs to a case."""
    assert _LINES.keys() == CASES.keys() - xfail.MEANING.keys(), HINT
    files = {path.name for path in golden.FOLDER.glob("*.params.txt")}
    assert files == {golden.text_path(name).name for name in golden.TEXTS}, HINT

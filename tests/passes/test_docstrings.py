"""The docstring of every shipped pass shows what it does to a program or graph, and it is true."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

import pytest

from gmn_fx.registry.discovery import load_registry
from gmn_fx.registry.spec import parse_spec
from tests.text.collector import applied, compare, parse, show

_REGISTRY = load_registry(environ={"GMN_FX_PLUGINS": "0"})


def shown(doc: str, title: str) -> str:
    """The block under `title::` in a docstring."""
    _, found, rest = inspect.cleandoc(doc).partition(f"\n{title}::\n\n")
    assert found, f"the docstring has no block 'Before::' or 'After::' ({title})"
    block = [line for line in rest.split("\n")]
    end = next((i for i, line in enumerate(block) if line and not line.startswith(" ")), len(block))
    return textwrap.dedent("\n".join(block[:end])).strip() + "\n"


@pytest.mark.parametrize("name", sorted(_REGISTRY.passes))
def test_before_and_after(name: str, request: pytest.FixtureRequest) -> None:
    cls = _REGISTRY.passes[name]
    (step,) = parse_spec(name, _REGISTRY)
    expected = shown(cls.__doc__ or "", "After")
    printed = show(applied(step, parse(shown(cls.__doc__ or "", "Before"))))
    if request.config.getoption("--update-goldens"):
        path = Path(inspect.getfile(cls))
        old, new = (textwrap.indent(text, " " * 8) for text in (expected, printed))
        path.write_text(path.read_text().replace(old, new, 1) if old != new else path.read_text())
    else:
        compare(printed, expected)


def test_every_pass_keeps_its_options_in_its_docstring() -> None:
    for name, cls in _REGISTRY.passes.items():
        for option in inspect.signature(cls).parameters:
            assert f"{option}:" in (cls.__doc__ or ""), f"{name} does not document {option}"

"""The public surface: complete, documented, listed in the docs, and no larger than meant."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import gmn_fx
from gmn_fx import errors

ROOT = Path(__file__).resolve().parent.parent


def public_names() -> list[str]:
    return list(gmn_fx.__all__)


def test_all_is_sorted_and_without_repeats() -> None:
    assert public_names() == sorted(set(public_names()))


def test_every_lazy_name_is_public_and_the_other_way_round() -> None:
    assert set(gmn_fx._HOME_OF) == set(gmn_fx.__all__)


@pytest.mark.parametrize("name", public_names())
def test_public_names_exist_and_are_documented(name: str) -> None:
    value = getattr(gmn_fx, name)
    text = inspect.getdoc(value) or ""
    assert len(text) > 15, f"gmn_fx.{name} has no docstring"
    assert not text.startswith(f"{name}("), f"gmn_fx.{name} has only the dataclass docstring"


@pytest.mark.parametrize("name", public_names())
def test_methods_of_public_classes_are_documented(name: str) -> None:
    value = getattr(gmn_fx, name)
    members = vars(value) if inspect.isclass(value) else {}
    bare = [
        member
        for member, what in members.items()
        if not member.startswith("_")
        and (inspect.isfunction(what) or isinstance(what, (property, classmethod, staticmethod)))
        and not inspect.getdoc(getattr(value, member))
    ]
    assert bare == []


@pytest.mark.parametrize("name", public_names())
def test_public_names_are_on_the_api_page(name: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / "docs/api.md").read_text())


def test_all_errors_are_public() -> None:
    own = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.GmnError)
    }
    assert own <= set(gmn_fx.__all__)


def test_exit_codes_are_in_the_docs() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    used = {value.exit_code for value in vars(errors).values() if inspect.isclass(value)}
    assert used | {0, 130, 141} == documented


def test_limits_of_pictures_are_the_same_everywhere() -> None:
    """The API and the command repeat them, as both start without loading what draws."""
    from gmn_fx.cli.draw import draw as command
    from gmn_fx.drawing.fold import MAX_BOXES
    from gmn_fx.drawing.picture import MAX_EDGES

    given = inspect.signature(gmn_fx.draw).parameters
    options = {option.name: option.default for option in command.params}
    for name, limit in {"max_boxes": MAX_BOXES, "max_edges": MAX_EDGES}.items():
        assert given[name].default == options[name] == limit


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = gmn_fx.nonsense


def test_dir_lists_the_public_names() -> None:
    assert set(gmn_fx.__all__) <= set(dir(gmn_fx))


def test_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert gmn_fx.__version__ == version("gmn-fx")

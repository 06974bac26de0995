"""Plug-ins as values: what they take, what they refuse, how they merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from gmn_fx.errors import PluginError
from gmn_fx.registry import Pass, PassResult, Plugin, list_passes, merge_plugins
from tests.registry.programs import NeedsSmooth, ReluToTanh, Rename


def _bag(name: str, *classes: type[Pass]) -> Plugin:
    plugin = Plugin(name)
    for cls in classes:
        plugin.register_pass(cls)
    return plugin


class NotFrozen(Pass):
    """No dataclass of its own."""

    name: ClassVar[str] = "not-frozen"

    def apply(self, ir: Any) -> PassResult:
        return PassResult(ir, changed=False)


@dataclass(frozen=True)
class BadName(NotFrozen):
    """A name that cannot stand on a command line."""

    name: ClassVar[str] = "Bad_Name"


@dataclass(frozen=True)
class BadLevel(NotFrozen):
    """A level that does not exist."""

    name: ClassVar[str] = "bad-level"
    level: ClassVar[Any] = "module"


@dataclass(frozen=True)
class NoApply(Pass):
    """No apply."""

    name: ClassVar[str] = "no-apply"


@dataclass(frozen=True)
class Needy(NotFrozen):
    """An option without default."""

    name: ClassVar[str] = "needy"

    size: int


@dataclass(frozen=True)
class Silent(NotFrozen):
    name: ClassVar[str] = "silent"


@dataclass(frozen=True)
class CalledBuild(NotFrozen):
    """The name of the manager's own step."""

    name: ClassVar[str] = "build"


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (int, "pass int of acme is not a subclass of gmn_fx.Pass"),
        (NotFrozen, "pass NotFrozen of acme is not a frozen dataclass"),
        (BadName, "pass BadName of acme has the name 'Bad_Name'"),
        (BadLevel, "pass BadLevel of acme has the level 'module'"),
        (NoApply, "pass NoApply of acme has no apply method"),
        (Needy, "pass Needy of acme has options without default: size"),
        (Silent, "pass Silent of acme has no docstring"),
        (CalledBuild, "pass 'build' of acme is registered already"),
    ],
)
def test_refused_passes(cls: Any, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        Plugin("acme").register_pass(cls)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_pass_registers_once() -> None:
    plugin = _bag("acme", Rename)
    with pytest.raises(PluginError, match="pass 'rename' of acme is registered already"):
        plugin.register_pass(Rename)


def test_duplicate_names_name_both_owners() -> None:
    with pytest.raises(PluginError, match="pass 'rename' comes from both gmn-fx and dup"):
        merge_plugins([_bag("gmn-fx", Rename)], [_bag("dup", Rename)])
    other = Plugin("dup", pipelines={"rename": "relu-to-tanh"})
    with pytest.raises(PluginError, match="pipeline 'rename' comes from both gmn-fx and dup"):
        merge_plugins([_bag("gmn-fx", Rename)], [], [other])
    first, second = Plugin("a", backends={"flat": 1}), Plugin("b", backends={"flat": 2})
    with pytest.raises(PluginError, match="backend 'flat' comes from both a and b"):
        merge_plugins([first], [second])


def test_merged_tables_and_owners() -> None:
    shipped = _bag("gmn-fx", Rename)
    shipped.pipelines["exact"] = "relu-to-tanh,rename"
    registry = merge_plugins([shipped], [_bag("acme", ReluToTanh)])
    assert list(registry.passes) == ["rename", "relu-to-tanh"]
    assert registry.owner("relu-to-tanh") == "acme"
    assert registry.owner("other") == "unregistered"
    assert registry.pipelines == {"exact": "relu-to-tanh,rename"}


def test_one_bag_given_twice_counts_once() -> None:
    """A model.py may name a plug-in that is installed as well."""
    bag = _bag("acme", Rename)
    registry = merge_plugins([], [bag], [bag, bag])
    assert registry.owner("rename") == "acme"


def test_bags_are_hermetic() -> None:
    _bag("a", Rename)
    assert Plugin("b").passes == {}
    assert len(Plugin("b").rules) == 0


def test_list_passes() -> None:
    registry = merge_plugins([_bag("gmn-fx", Rename, ReluToTanh, NeedsSmooth)])
    rename, relu, needs = list_passes(registry)
    assert (rename.name, rename.level, rename.owner) == ("rename", "graph", "gmn-fx")
    assert rename.summary == "Give a graph another name."
    assert [(o.name, o.type, o.default) for o in rename.options] == [("to", "str", "renamed")]
    assert relu.establishes == ("relu-to-tanh", "smooth")
    assert needs.requires == ("smooth",)

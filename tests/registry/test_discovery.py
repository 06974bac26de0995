"""Entry points: fake distributions in a temporary directory, no installation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_fx.errors import PluginError
from gmn_fx.registry import Plugin, discovery, load_registry

GOOD = "from gmn_fx.registry import Plugin\nplugin = Plugin({name!r}, pipelines={{{name!r}: ''}})\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on the path, alone visible to the search for entry points besides the shipped."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("fake_"):
            del sys.modules[name]


def install(site: Path, dist: str, module: str, source: str, version: str = "0.3") -> None:
    """What pip would leave of a package with one plug-in."""
    info = site / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{discovery.GROUP}]\n{module} = {module}:plugin\n")
    (site / f"{module}.py").write_text(source)


def test_shipped_first_then_others_by_name(site: Path) -> None:
    install(site, "zeta", "fake_zeta", GOOD.format(name="zeta"))
    install(site, "Alpha", "fake_alpha", GOOD.format(name="alpha"))
    names = list(load_registry().pipelines)
    assert names[0] == "exact"
    assert [n for n in names if n in ("alpha", "zeta")] == ["alpha", "zeta"]


def test_given_plugins_come_last(site: Path) -> None:
    mine = Plugin("mine", pipelines={"mine": ""})
    assert list(load_registry([mine]).pipelines)[-1] == "mine"
    with pytest.raises(PluginError, match="a plug-in given to the call is a str"):
        load_registry(["mine"])  # type: ignore[list-item]


def test_third_party_plugins_can_be_switched_off(site: Path) -> None:
    install(site, "acme-gates", "fake_acme", GOOD.format(name="acme"))
    install(site, "bad", "fake_bad", "raise ValueError('no')")

    def names(setting: str) -> set[str]:
        return set(load_registry(environ={"GMN_FX_PLUGINS": setting}).pipelines)

    assert "exact" in names("0")
    assert "acme" not in names("0")
    assert "acme" in names("-fake_bad")
    assert "acme" in names("-bad")
    assert "acme" not in names("-acme-gates, -bad")
    with pytest.raises(PluginError, match="GMN_FX_PLUGINS=acme is not understood"):
        names("acme")


def test_broken_plugin_says_how_to_switch_it_off(site: Path) -> None:
    install(site, "bad-dist", "fake_bad", "import no_such_module", version="7.1")
    with pytest.raises(PluginError) as caught:
        load_registry()
    text = str(caught.value)
    assert "the plug-in bad-dist 7.1 (fake_bad = fake_bad:plugin) cannot be loaded" in text
    assert "ModuleNotFoundError: No module named 'no_such_module'" in text
    assert "GMN_FX_PLUGINS=-fake_bad (or all: GMN_FX_PLUGINS=0)" in text
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_entry_point_that_is_no_plugin(site: Path) -> None:
    install(site, "odd", "fake_odd", "plugin = 3")
    with pytest.raises(PluginError, match=r"the plug-in odd 0.3 \(.*\) is a int, not a gmn_fx.Plu"):
        load_registry()


def test_two_packages_with_one_name_are_both_named(site: Path) -> None:
    install(site, "one", "fake_one", GOOD.format(name="one") + "plugin.pipelines['p'] = ''")
    install(site, "two", "fake_two", GOOD.format(name="two") + "plugin.pipelines['p'] = ''")
    with pytest.raises(PluginError, match="pipeline 'p' comes from both one and two"):
        load_registry()


def test_a_package_cannot_pose_as_the_shipped_one(site: Path) -> None:
    """The distribution decides what is shipped, not what the plug-in calls itself."""
    install(site, "poser", "fake_poser", GOOD.format(name="gmn-fx"))
    assert "gmn-fx" not in load_registry(environ={"GMN_FX_PLUGINS": "0"}).pipelines


def test_missing_installation_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "entry_points", lambda group: ())
    with pytest.raises(PluginError, match="gmn-fx itself are not installed") as caught:
        load_registry()
    assert "pip install -e ." in caught.value.hint

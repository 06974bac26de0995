"""`tests/plugin_example`: a package and a model.py that plug in, as users would write them."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import gmn_fx
from gmn_fx.registry import discovery, load_registry, parse_spec, run_pipeline

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example, visible as if pip had installed it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / f"acme_gates-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"][discovery.GROUP]
    lines = [f"[{discovery.GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_gates"]:
        del sys.modules[name]


@pytest.mark.usefixtures("acme")
def test_package_brings_rule_and_pass() -> None:
    registry = load_registry()
    assert registry.owner("acme-drop-unit-scale") == "acme-gates"
    assert "acme-gates" in {rule.owner for rule in registry.rules}
    off = load_registry(environ={"GMN_FX_PLUGINS": "-acme"})
    assert "acme-drop-unit-scale" not in off.passes


@pytest.mark.usefixtures("acme")
def test_extracts_with_the_packages_layer() -> None:
    from acme_gates.layers import Net

    torch.manual_seed(0)
    model, x = Net(), torch.randn(2, 3)
    graph = gmn_fx.extract(model, (x,), passes="acme-drop-unit-scale,exact")
    assert sum(slot.used for slot in graph.slots) == 4
    report = gmn_fx.verify(model, graph, (x,))
    assert report.ok, str(report)


@pytest.mark.usefixtures("acme")
def test_its_pass_does_what_its_docstring_shows() -> None:
    program = gmn_fx.ir.text.parse_program(
        'program "m" {\n  %x = input "x" : f32[2]\n'
        "  %0 = aten.mul.Tensor(%x, 1.0) : f32[2]\n"
        "  %1 = aten.relu.default(%0) : f32[2]\n  return %1\n}\n"
    )
    registry = load_registry()
    (drop,) = parse_spec("acme-drop-unit-scale", registry)
    text = gmn_fx.ir.text.print_program(run_pipeline(program, [drop], registry=registry))
    assert "  %0 = aten.relu.default(%x) : f32[2]\n  return %0\n" in text
    (keep,) = parse_spec("acme-drop-unit-scale{unit=2}", registry)
    assert keep.apply(program).ir is program


def test_model_file_brings_its_own_rule() -> None:
    from gmn_fx.capture import load_target

    loaded = load_target(str(EXAMPLE / "model.py"), None)
    assert [plugin.name for plugin in loaded.plugins] == ["my-model"]
    graph = gmn_fx.extract(loaded.model, loaded.args, loaded.kwargs, plugins=loaded.plugins)
    report = gmn_fx.verify(loaded.model, graph, loaded.args, loaded.kwargs)
    assert report.ok, str(report)
    assert graph.num_parameters == 3 * 5 + 5 * 2

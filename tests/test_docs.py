"""Documentation that runs: every python block, every example, every option and every link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(page: Path) -> list[str]:
    """The python blocks of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


WITH_CODE = [page for page in PAGES if blocks(page)]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_CODE, ids=named)
def test_python_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The blocks of one page are one program: later ones use the names of earlier ones.
    monkeypatch.chdir(tmp_path)
    code = compile("\n".join(blocks(page)), named(page), "exec", dont_inherit=True)
    exec(code, {"__name__": "__main__"})


def test_some_pages_have_code() -> None:
    assert len(WITH_CODE) >= 4


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_examples_extract_and_verify(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gmn_fx.cli.common import run
    from gmn_fx.cli.extract import extract

    out = tmp_path / "graph.pt"
    code = run(extract, [str(example), "--out", str(out), "--verify"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert "the graph means the network" in shown.out
    assert out.is_file()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [t for t in targets if not re.match(r"https?://|mailto:", t)]
    missing = []
    for target in local:
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        # Pictures are made by the demo and placed by hand; docs may not outrun them.
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert missing == []


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", ["extract", "verify", "info", "draw"])
def test_every_option_is_documented(name: str) -> None:
    from importlib import import_module

    command = getattr(import_module(f"gmn_fx.cli.{name}"), name)
    text = (ROOT / "docs/cli.md").read_text()
    options = [option for p in command.params for option in p.opts if option.startswith("--")]
    assert [o for o in options if o not in (*("--version",),) and o not in text] == []


@pytest.mark.parametrize("pipeline", ["exact", "paper"])
def test_pipelines_are_the_documented_ones(pipeline: str) -> None:
    from gmn_fx.registry import load_registry

    text = (ROOT / "docs/passes.md").read_text()
    exact, _, paper = text.partition("The pipeline `paper`")
    section = exact if pipeline == "exact" else paper
    documented = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    spec = load_registry().pipelines[pipeline].split(",")
    assert [name for name in documented if name != "build"] == [n for n in spec if n != "build"]


def test_pages_hold_no_path_of_a_machine() -> None:
    bad = re.compile(r"(?<![\w.])/(home|root|Users|work|tmp)/")
    assert [named(page) for page in PAGES if bad.search(page.read_text())] == []

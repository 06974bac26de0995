"""A real browser without a network: every request and every complaint of the page is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gmn_fx.drawing.compare import compare
from gmn_fx.drawing.compare.page import comparison_html
from gmn_fx.drawing.explorer import explorer_html
from gmn_fx.graph.model import ParameterGraph

FLAGS = (
    "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip


def chromium() -> str | None:
    """The browser of this machine; None for playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("GMN_FX_CHROMIUM"), *map(shutil.which, names)
    return next((path for path in found if path), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield running
        running.close()


@dataclass
class Explorer:
    """An open page. complaints: messages on the console and errors. requests: beside the page."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        return self.page.evaluate("window.gmnExplorer.state()")

    def settle(self) -> dict[str, Any]:
        """Wait until all edges are drawn."""
        for _ in range(200):
            # Two frames: what was asked for is drawn in the next one.
            self.page.evaluate(
                "new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"
            )
            if not self.state["drawing"]:
                return self.state
            self.page.wait_for_timeout(25)
        raise AssertionError("the page never finished drawing")

    def hover(self, node: int) -> dict[str, Any]:
        self.page.mouse.move(*self.page.evaluate("(n) => window.gmnExplorer.nodeAt(n)", node))
        return self.settle()

    def hover_between(self, src: int, dst: int) -> dict[str, Any]:
        """The middle of a straight edge."""
        one, two = (
            self.page.evaluate("(n) => window.gmnExplorer.nodeAt(n)", n) for n in (src, dst)
        )
        self.page.mouse.move(*(a + 0.5 * (b - a) for a, b in zip(one, two, strict=True)))
        return self.settle()

    def search(self, text: str) -> list[str]:
        self.page.fill("#search", text)
        return self.page.eval_on_selector_all("#results li", "all => all.map(x => x.textContent)")

    def slide(self, share: int) -> dict[str, Any]:
        """The slider at so many thousandths."""
        self.page.evaluate(
            "(v) => { const s = document.getElementById('slider'); s.value = v;"
            " s.dispatchEvent(new Event('input')); }",
            share,
        )
        return self.settle()

    def titles(self) -> list[str]:
        return [item["title"] for item in self.state["items"]]


@pytest.fixture
def explore(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Explorer]]:
    opened = []

    def make(
        graph: ParameterGraph,
        *,
        other: ParameterGraph | None = None,
        context: dict[str, Any] | None = None,
        **options: Any,
    ):
        file = tmp_path / "graph.html"
        html = (
            explorer_html(graph, **options)
            if other is None
            else comparison_html(compare(graph, other), **options)
        )
        file.write_text(html, encoding="utf-8")
        made = browser.new_context(
            **{"viewport": {"width": 1200, "height": 800}, **(context or {})}
        )
        made.set_offline(True)
        page = made.new_page()
        explorer = Explorer(page)
        page.on("console", lambda m: explorer.complaints.append(m.text))
        page.on("pageerror", lambda e: explorer.complaints.append(str(e)))
        page.on("request", lambda r: explorer.requests.append(r.url))
        page.goto(file.as_uri())
        explorer.settle()
        explorer.requests.remove(file.as_uri())
        opened.append((made, explorer))
        return explorer

    yield make
    for made, explorer in opened:
        made.close()
        assert explorer.complaints == []
        assert explorer.requests == []

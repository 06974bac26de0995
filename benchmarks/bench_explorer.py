"""Does the explorer stay fluid? Frame times in headless Chromium, drawn by the processor.

    python -m benchmarks.bench_explorer [--frames 60]

Needs `make test-browser` once (playwright and a Chromium). For perceptrons with all neurons open:
the time until the page has drawn everything, the time between frames (wall) while the picture is
dragged, zoomed and while the pointer runs over neurons, and the size of the file. A hundred
thousand edges are fluid at 30 frames a second: 33 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bench_drawing import perceptron
from benchmarks.measure import bar, emit
from gmn_fx.drawing.explorer import explorer_html
from gmn_fx.symmetry import node_orbits

# Events as fast as the page draws frames; resolves to the milliseconds between the frames.
_RUN = """
([what, frames]) => new Promise((done) => {
  const stage = document.getElementById("stage"), box = stage.getBoundingClientRect(), times = [];
  const at = (x, y, pointerId) => ({ clientX: x, clientY: y, pointerId, bubbles: true });
  const cx = box.left + box.width / 2, cy = box.top + box.height / 2, nodes = window.gmnNodes;
  const act = {
    zoom: (k) => new WheelEvent("wheel", { ...at(cx, cy, 1), deltaY: k % 2 ? 40 : -40 }),
    pan: (k) => new PointerEvent("pointermove", at(cx + 3 * (k % 20), cy, 1)),
    hover: (k) => new PointerEvent(
      "pointermove", at(...window.gmnExplorer.nodeAt(nodes[k % nodes.length]), 2)),
  };
  let k = 0, last = 0;
  const step = (now) => {
    if (last) times.push(now - last);
    last = now;
    if (k++ === frames) return done(times);
    stage.dispatchEvent(act[what](k));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})
"""


def settle(page: Any) -> None:
    """Wait until all edges are drawn."""
    while page.evaluate("!window.gmnExplorer || window.gmnExplorer.state().drawing"):
        page.wait_for_timeout(10)


def once(browser: Any, width: int, frames: int, folder: str) -> dict[str, Any]:
    """One page."""
    graph = perceptron(width)
    html = explorer_html(graph, orbits=node_orbits(graph), start="open")
    file = Path(folder) / "graph.html"
    file.write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    began = time.perf_counter()
    page.goto(file.as_uri())
    settle(page)
    out = {"edges": graph.num_edges, "bytes an edge": len(html) / graph.num_edges}
    out["load and draw_ms"] = 1e3 * (time.perf_counter() - began)
    start = graph.groups[1].start
    page.evaluate(
        f"() => {{ window.gmnNodes = [...Array({width}).keys()].map((k) => k + {start}); }}"
    )
    for what in ("pan", "zoom", "hover"):
        box = page.evaluate("document.getElementById('stage').getBoundingClientRect().toJSON()")
        page.mouse.move(box["x"] + 300, box["y"] + 5)
        if what == "pan":
            page.mouse.down()
        times = page.evaluate(_RUN, [what, frames])
        page.mouse.up()
        settle(page)
        out[f"{what}, median frame_ms"] = statistics.median(times)
        out[f"{what}, 95th percentile_ms"] = sorted(times)[int(0.95 * len(times))]
    page.close()
    return out


def main() -> None:
    """Run and print JSON; without playwright nothing is measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=60)
    frames = parser.parse_args().frames
    try:
        from playwright.sync_api import sync_playwright

        from tests.browser.conftest import FLAGS, chromium
    except ImportError as error:
        print(f"not measured: {error}", file=sys.stderr)
        rows: list[dict[str, Any]] = []
    else:
        flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
            browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
            rows = [once(browser, width, frames, folder) for width in (20, 68, 222)]
            browser.close()
    names = [f"{what}, median frame_ms" for what in ("pan", "zoom", "hover")]
    bars = [
        bar(
            f"explorer, 100,000 edges: {n.partition(',')[0]}",
            rows[-1][n] if rows else None,
            33,
            "ms",
        )
        for n in names
    ]
    emit("bench_explorer", rows, bars, title="The explorer in a browser")


if __name__ == "__main__":
    main()

"""What the oracle says of one random network."""

from __future__ import annotations

import traceback

import gmn_fx
from gmn_fx.errors import GmnError, InternalError
from gmn_fx.symmetry import verify
from tools.fuzz.net import RandomNet


def judge(net: RandomNet, *, show: bool = False, seeds: int = 4) -> tuple[str, str]:
    """("verified" | "wrong" | "refused" | "crashed", why)."""
    x = net.example()
    try:
        graph = gmn_fx.extract(net, (x,))
        report = verify(net, graph, (x,), seeds=seeds, controls=False)
    except InternalError as error:
        return "crashed", str(error)
    except GmnError as error:
        return "refused", str(error)
    except Exception:
        return "crashed", traceback.format_exc()
    text = graph.to_text(source=False) + "\n" if show else ""
    if report.ok:
        return "verified", text + str(report) * show
    return "wrong", text + (str(report) if show else "\n".join(report.problems))

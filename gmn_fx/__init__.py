"""gmn-fx: any PyTorch model in, a verified parameter graph out.

    graph = gmn_fx.extract(model)          # capture, rewrite, lower, verify
    gmn_fx.verify(model, graph)            # prove by permutation that it means the network
    gmn_fx.draw(graph, "graph.svg")        # look at it
    data = graph.to_pyg()                  # and use it

Everything here is loaded on first use: `import gmn_fx` imports neither torch_geometric nor
networkx nor graphviz.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmn_fx.api import Hooks, draw, extract, load, verify
    from gmn_fx.errors import (
        AuthorError,
        CaptureError,
        DrawError,
        DuplicateRuleError,
        FileError,
        GmnError,
        GraphError,
        InputError,
        InternalError,
        LoadError,
        OracleError,
        PassError,
        PluginError,
        TextError,
        UnsupportedOpError,
        UnsupportedTensorError,
        UsageError,
    )
    from gmn_fx.graph import Bundle, Group, IndexMap, ParameterGraph, Slot
    from gmn_fx.ir.program import Program
    from gmn_fx.registry import Pass, PassResult, Plugin
    from gmn_fx.symmetry import OracleReport

_HOMES: dict[str, tuple[str, ...]] = {
    "gmn_fx.api": ("Hooks", "draw", "extract", "load", "verify"),
    "gmn_fx.graph": ("Bundle", "Group", "IndexMap", "ParameterGraph", "Slot"),
    "gmn_fx.ir.program": ("Program",),
    "gmn_fx.registry": ("Pass", "PassResult", "Plugin"),
    "gmn_fx.symmetry": ("OracleReport",),
    "gmn_fx.errors": (
        "AuthorError",
        "CaptureError",
        "DrawError",
        "DuplicateRuleError",
        "FileError",
        "GmnError",
        "GraphError",
        "InputError",
        "InternalError",
        "LoadError",
        "OracleError",
        "PassError",
        "PluginError",
        "TextError",
        "UnsupportedOpError",
        "UnsupportedTensorError",
        "UsageError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AuthorError",
    "Bundle",
    "CaptureError",
    "DrawError",
    "DuplicateRuleError",
    "FileError",
    "GmnError",
    "GraphError",
    "Group",
    "Hooks",
    "IndexMap",
    "InputError",
    "InternalError",
    "LoadError",
    "OracleError",
    "OracleReport",
    "ParameterGraph",
    "Pass",
    "PassError",
    "PassResult",
    "Plugin",
    "PluginError",
    "Program",
    "Slot",
    "TextError",
    "UnsupportedOpError",
    "UnsupportedTensorError",
    "UsageError",
    "draw",
    "extract",
    "load",
    "verify",
]

try:
    __version__ = version("gmn-fx")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gmn_fx' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

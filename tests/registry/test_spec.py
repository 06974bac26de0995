"""Pass specifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from gmn_fx.errors import UsageError
from gmn_fx.registry import (
    Build,
    Pass,
    PassResult,
    Plugin,
    Registry,
    merge_plugins,
    parse_spec,
    print_spec,
    resolve_passes,
)
from tests.registry.programs import ReluToTanh, Rename


@dataclass(frozen=True)
class Options(Pass):
    """One option of every type."""

    name: ClassVar[str] = "options"

    count: int = 1
    share: bool = False
    scale: float = 1.0
    text: str = ""
    style: Literal["exact", "paper", 3] = "exact"
    limit: int | None = None
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    mixed: int | str = 0

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count is negative")

    def apply(self, ir: Any) -> PassResult:
        return PassResult(ir, changed=False)


def _registry() -> Registry:
    plugin = Plugin("test", pipelines={"exact": "relu-to-tanh,rename{to=x}", "loop": "exact,loop"})
    for cls in (Options, Rename, ReluToTanh):
        plugin.register_pass(cls)
    return merge_plugins([plugin])


@pytest.mark.parametrize(
    ("spec", "passes"),
    [
        ("", ()),
        ("rename", (Rename(),)),
        (" relu-to-tanh , rename ", (ReluToTanh(), Rename())),
        ("rename{}", (Rename(),)),
        ('rename{to="a, b}"}', (Rename("a, b}"),)),
        ("rename{to=my-name}", (Rename("my-name"),)),
        ("options{count=3,share=true}", (Options(count=3, share=True),)),
        ("options{share=False, scale=1e-3}", (Options(scale=1e-3),)),
        ("options{scale=2}", (Options(scale=2.0),)),
        ("options{style=paper}", (Options(style="paper"),)),
        ("options{style=3}", (Options(style=3),)),
        ("options{limit=4}", (Options(limit=4),)),
        ("options{limit=none}", (Options(),)),
        ('options{names=[a,"b,c"],sizes=[1, 2]}', (Options(names=("a", "b,c"), sizes=(1, 2)),)),
        ("options{mixed=7}", (Options(mixed=7),)),
        ("options{mixed=seven}", (Options(mixed="seven"),)),
        ("exact", (ReluToTanh(), Rename("x"))),
        ("rename,exact", (Rename(), ReluToTanh(), Rename("x"))),
        ("relu-to-tanh,build,rename", (ReluToTanh(), Build(), Rename())),
    ],
)
def test_parses_and_prints_back(spec: str, passes: tuple[Pass, ...]) -> None:
    registry = _registry()
    assert parse_spec(spec, registry) == passes
    assert parse_spec(print_spec(passes), registry) == passes


def test_defaults_are_not_printed() -> None:
    assert print_spec([Options(), Options(share=True, names=("a",), limit=2)]) == (
        'options,options{share=true,limit=2,names=["a"]}'
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("renam,exakt,zzz", "unknown passes: 'renam' (near: rename), 'exakt' (near: exact), 'zzz'"),
        ("nope", "unknown pass: 'nope'"),
        ("rename,,rename", "does not parse at ''"),
        ("rename{to=x", "does not parse"),
        ("rename}to=x", "does not parse"),
        ("rename{to}", "does not parse at 'to'"),
        ("rename{to=}", "does not parse at 'to='"),
        ('rename{to="x}', "does not parse"),
        ("rename{tto=x}", "pass 'rename' has no option 'tto'\n  hint: options: to"),
        ("relu-to-tanh{x=1}", "has no option 'x'\n  hint: options: none"),
        ("rename{to=x,to=y}", "option 'to' of pass 'rename' is given twice"),
        ("options{count=many}", "option 'count' of pass 'options': many is not an integer"),
        ("options{scale=big}", "big is not a number"),
        ("options{share=1}", "1 is not true or false"),
        ("options{style=other}", "other is not one of exact, paper, 3"),
        ("options{limit=x}", "x is none of int"),
        ("options{names=a}", "a is not a list: write [a,b]"),
        ("options{count=-1}", "pass 'options' refuses its options: count is negative"),
        ("exact{a=1}", "the pipeline 'exact' takes no options"),
        ("loop", "the pipeline 'loop' contains itself"),
    ],
)
def test_errors(spec: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec(spec, _registry())
    assert message in str(caught.value)


def test_resolve() -> None:
    registry = _registry()
    assert resolve_passes(None, registry) == parse_spec("exact", registry)
    assert resolve_passes("rename", registry) == (Rename(),)
    assert resolve_passes([Rename("a")], registry) == (Rename("a"),)
    with pytest.raises(UsageError, match="which is not a pass"):
        resolve_passes([Rename], registry)  # type: ignore[list-item]

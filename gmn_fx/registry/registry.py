"""The registry: all plug-ins merged, with an owner for every name."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gmn_fx.errors import PluginError
from gmn_fx.registry.passes import Level, Pass, options_of
from gmn_fx.registry.plugin import Plugin
from gmn_fx.registry.rules import Rules, merge_rules


@dataclass(frozen=True)
class Registry:
    """What is known in one run.

    rules: all lowering rules. passes, pipelines, backends: by name.
    owners: "pass NAME", "pipeline NAME", "backend NAME" -> plug-in that brought it.
    """

    rules: Rules = field(default_factory=Rules)
    passes: Mapping[str, type[Pass]] = field(default_factory=dict)
    pipelines: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, object] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)

    def owner(self, name: str) -> str:
        """Who registered the pass `name`; "unregistered" for a class given in Python."""
        return self.owners.get(f"pass {name}", "unregistered")


@dataclass(frozen=True)
class OptionInfo:
    """One option of a pass."""

    name: str
    type: str
    default: Any


@dataclass(frozen=True)
class PassInfo:
    """What `--list-passes` shows of a pass."""

    name: str
    level: Level
    options: tuple[OptionInfo, ...]
    summary: str
    owner: str
    requires: tuple[str, ...]
    establishes: tuple[str, ...]


def merge_plugins(
    shipped: Iterable[Plugin], plugins: Iterable[Plugin] = (), call: Iterable[Plugin] = ()
) -> Registry:
    """One registry out of the shipped bag, installed plug-ins and those given to the call.

    Raises `PluginError` naming both owners when two of them claim one name, and
    `DuplicateRuleError` when two claim one rule key without `override=True`. Plug-ins given to
    the call need no `override`: they were chosen for this very model.
    """
    shipped, plugins, call = _distinct(shipped, plugins, call)
    owners: dict[str, str] = {}
    tables: dict[str, dict[str, Any]] = {"pass": {}, "pipeline": {}, "backend": {}}
    for plugin in (*shipped, *plugins, *call):
        for kind, table in _tables(plugin).items():
            for name, value in table.items():
                _claim(owners, kind, name, plugin.name)
                tables[kind][name] = value
    rules = merge_rules(
        [p.rules for p in shipped], [p.rules for p in plugins], [p.rules for p in call]
    )
    return Registry(rules, tables["pass"], tables["pipeline"], tables["backend"], owners)


def _distinct(*tiers: Iterable[Plugin]) -> list[list[Plugin]]:
    """Each bag once, in the last tier that names it: a model.py may reuse an installed one."""
    seen: set[int] = set()
    kept: list[list[Plugin]] = []
    for tier in reversed([list(tier) for tier in tiers]):
        once: list[Plugin] = []
        for plugin in tier:
            if id(plugin) not in seen:
                seen.add(id(plugin))
                once.append(plugin)
        kept.insert(0, once)
    return kept


def _tables(plugin: Plugin) -> dict[str, Mapping[str, Any]]:
    return {"pass": plugin.passes, "pipeline": plugin.pipelines, "backend": plugin.backends}


def _claim(owners: dict[str, str], kind: str, name: str, owner: str) -> None:
    # Passes and pipelines share one name space: both are written in --passes.
    rivals = ("pass", "pipeline") if kind != "backend" else ("backend",)
    for rival in rivals:
        other = owners.get(f"{rival} {name}")
        if other is not None:
            raise PluginError(
                f"{kind} {name!r} comes from both {other} and {owner}",
                hint="rename one of the two, or switch third-party plug-ins off: GMN_FX_PLUGINS=0",
            )
    owners[f"{kind} {name}"] = owner


def list_passes(registry: Registry) -> tuple[PassInfo, ...]:
    """Every known pass, in order of registration."""
    return tuple(_info(cls, registry.owner(name)) for name, cls in registry.passes.items())


def _info(cls: type[Pass], owner: str) -> PassInfo:
    options = tuple(OptionInfo(f.name, _type_name(f.type), _default(f)) for f in options_of(cls))
    return PassInfo(
        name=cls.name,
        level=cls.level,
        options=options,
        summary=(inspect.getdoc(cls) or "").partition("\n")[0],
        owner=owner,
        requires=tuple(sorted(cls.requires)),
        establishes=tuple(sorted(cls.establishes | {cls.name})),
    )


def _default(option: dataclasses.Field[Any]) -> Any:
    if option.default_factory is not dataclasses.MISSING:
        return option.default_factory()
    return option.default


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    return str(getattr(annotation, "__name__", annotation))

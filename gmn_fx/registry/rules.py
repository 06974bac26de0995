"""Lowering rules: functions registered on real objects, never on names.

Precedence in one sentence: rules given to the call come before plug-ins that said
`override=True`, these before all others; then specific keys before general ones; within a key
guarded rules before plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from torch import fx

from gmn_fx.errors import AuthorError, DuplicateRuleError
from gmn_fx.registry.keys import check_key, keys_of, spell

Guard = Callable[[fx.Node], bool]
F = TypeVar("F", bound=Callable[..., object])

TIER_CALL, TIER_OVERRIDE, TIER_NORMAL = 0, 1, 2


@dataclass(frozen=True)
class Rule:
    """One lowering rule.

    fn: called as `fn(b, *args, **kwargs)` with the node's arguments as lowering values; for a
        leaf module as `fn(b, module, *args, **kwargs)`.
    when: guard; the rule applies only to nodes for which it returns True.
    owner: who registered it. override: it may replace a rule of another owner.
    """

    fn: Callable[..., object]
    key: object
    when: Guard | None = None
    owner: str = ""
    override: bool = False
    tier: int = TIER_NORMAL


@dataclass
class Rules:
    """A table from key to rules, in the order in which they are asked."""

    table: dict[object, tuple[Rule, ...]] = field(default_factory=dict)

    def add(self, rule: Rule) -> None:
        """Register `rule`; a second one on the same key and guard needs `override`."""
        check_key(rule.key)
        old = self.table.get(rule.key, ())
        same = [r for r in old if r.when is rule.when]
        if same and not _replaces(rule, same[0]):
            raise _duplicate(rule, same[0])
        kept = [r for r in old if r.when is not rule.when]
        self.table[rule.key] = tuple(sorted([*kept, rule], key=lambda r: (r.tier, r.when is None)))

    def register(
        self,
        *keys: object,
        when: Guard | None = None,
        override: bool = False,
        owner: str = "",
    ) -> Callable[[F], F]:
        """Decorator: register the function below on every key."""
        if not keys:
            raise AuthorError(
                f"{owner or 'a plug-in'} registers a lowering on nothing",
                hint="give the key: @plugin.lowering(MyLayer)",
            )

        def decorate(fn: F) -> F:
            for key in keys:
                self.add(Rule(fn, key, when, owner, override))
            return fn

        return decorate

    def merge(self, other: Rules, *, tier: int | None = None) -> None:
        """Add all rules of `other`, with `tier` in place of their own if given."""
        for rules in other.table.values():
            for rule in rules:
                own = TIER_OVERRIDE if rule.override else TIER_NORMAL
                self.add(replace(rule, tier=own if tier is None else tier))

    def find(self, node: fx.Node) -> Rule | None:
        """The rule for `node`, or None. See the module docstring for the precedence."""
        found = [
            rule for key in keys_of(node) for rule in self.table.get(key, ()) if _holds(rule, node)
        ]
        return min(found, key=lambda r: r.tier) if found else None

    def describe_missing(self, nodes: Iterable[fx.Node]) -> str:
        """All `nodes` without a rule in one text: where, what was looked up, what to write."""
        from gmn_fx.registry.missing import describe_missing

        return describe_missing(nodes, self)

    def __iter__(self) -> Iterator[Rule]:
        return (rule for rules in self.table.values() for rule in rules)

    def __len__(self) -> int:
        return sum(len(rules) for rules in self.table.values())

    @property
    def keys(self) -> tuple[object, ...]:
        """All keys that have a rule, in order of registration."""
        return tuple(self.table)


def merge_rules(shipped: Iterable[Rules], plugins: Iterable[Rules], call: Iterable[Rules]) -> Rules:
    """One table out of the shipped rules, the plug-ins' and those given to the call."""
    merged = Rules()
    for rules in shipped:
        merged.merge(rules, tier=TIER_NORMAL)
    for rules in plugins:
        merged.merge(rules)
    for rules in call:
        merged.merge(rules, tier=TIER_CALL)
    return merged


def leaf_keys(rules: Rules | Any) -> tuple[tuple[type, ...], tuple[Callable[..., Any], ...]]:
    """`(module classes, functions)` that capture must keep whole because a rule names them.

    Args:
        rules: a `Rules` table, or a `Registry` (its `.rules` is taken).
    """
    from gmn_fx.registry.keys import is_leaf_class, is_leaf_function

    table: Mapping[object, Any] = getattr(rules, "rules", rules).table
    classes = tuple(key for key in table if is_leaf_class(key))
    functions = tuple(key for key in table if is_leaf_function(key))
    return classes, functions  # type: ignore[return-value]


def _holds(rule: Rule, node: fx.Node) -> bool:
    if rule.when is None:
        return True
    try:
        return bool(rule.when(node))
    except Exception as error:
        raise AuthorError(
            f"the guard of {rule.owner}'s rule on {spell(rule.key)} failed on node {node.name}: "
            f"{type(error).__name__}: {error}",
            hint="a guard takes the fx.Node and returns a bool for every node with that key",
        ) from error


def _replaces(new: Rule, old: Rule) -> bool:
    if new.tier < old.tier:
        return True
    # Of two plug-ins that both override, the order of loading must not decide.
    return new.override and not (new.tier == TIER_OVERRIDE and new.owner != old.owner)


def _duplicate(new: Rule, old: Rule) -> DuplicateRuleError:
    both = f"{old.owner} ({_where(old)}) and {new.owner} ({_where(new)})"
    guard = " with the same guard" if new.when is not None else ""
    return DuplicateRuleError(
        f"{spell(new.key)} has two lowering rules{guard}: from {both}",
        hint="say override=True in the second one if it shall replace the first, "
        "give it a guard (when=lambda node: ...), or switch one of two plug-ins off "
        "(GMN_FX_PLUGINS=-name)",
    )


def _where(rule: Rule) -> str:
    code = getattr(rule.fn, "__code__", None)
    name = getattr(rule.fn, "__qualname__", repr(rule.fn))
    if code is None:
        return name
    return f"{name}, {code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}"

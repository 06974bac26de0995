"""Passes, lowering rules, plug-ins, and the manager that runs passes."""

from gmn_fx.registry.build import Build
from gmn_fx.registry.discovery import load_registry
from gmn_fx.registry.keys import keys_of, spell
from gmn_fx.registry.manager import (
    DEFAULT_PIPELINE,
    resolve_passes,
    resolve_style,
    run_pipeline,
    verify_ir,
)
from gmn_fx.registry.missing import describe_missing
from gmn_fx.registry.passes import IR, Pass, PassResult
from gmn_fx.registry.plugin import Plugin
from gmn_fx.registry.registry import OptionInfo, PassInfo, Registry, list_passes, merge_plugins
from gmn_fx.registry.reproducer import is_reproducer, load_reproducer
from gmn_fx.registry.rerun import run_reproducer
from gmn_fx.registry.rules import Rule, Rules, leaf_keys
from gmn_fx.registry.spec import parse_spec, print_spec

__all__ = [
    "DEFAULT_PIPELINE",
    "IR",
    "Build",
    "OptionInfo",
    "Pass",
    "PassInfo",
    "PassResult",
    "Plugin",
    "Registry",
    "Rule",
    "Rules",
    "describe_missing",
    "is_reproducer",
    "keys_of",
    "leaf_keys",
    "list_passes",
    "load_registry",
    "load_reproducer",
    "merge_plugins",
    "parse_spec",
    "print_spec",
    "resolve_passes",
    "resolve_style",
    "run_pipeline",
    "run_reproducer",
    "spell",
    "verify_ir",
]

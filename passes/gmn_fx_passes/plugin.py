"""The bag that every shipped pass and lowering rule registers into."""

from gmn_fx.registry.plugin import Plugin

plugin = Plugin("gmn-fx")

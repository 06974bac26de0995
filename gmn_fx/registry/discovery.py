"""Finding plug-ins: entry points of the group `gmn_fx.plugins`.

The environment variable `GMN_FX_PLUGINS` switches third-party plug-ins off: all of them
(`GMN_FX_PLUGINS=0`) or some by name (`GMN_FX_PLUGINS=-acme,-other`). The shipped passes are the
plug-in of the distribution `gmn-fx` and always on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from gmn_fx.errors import PluginError
from gmn_fx.registry.plugin import Plugin
from gmn_fx.registry.registry import Registry, merge_plugins

GROUP = "gmn_fx.plugins"
VARIABLE = "GMN_FX_PLUGINS"
SHIPPED = "gmn-fx"


def load_registry(
    extra: Iterable[Plugin] = (), *, environ: Mapping[str, str] | None = None
) -> Registry:
    """The shipped rules and passes, those of installed plug-ins, and `extra`.

    Args:
        extra: plug-ins given to this call (those of a `model.py`); their rules come first.
        environ: where `GMN_FX_PLUGINS` is read; the process's environment by default.
    """
    shipped, third_party = find_plugins(os.environ if environ is None else environ)
    extra = tuple(extra)
    for plugin in extra:
        if not isinstance(plugin, Plugin):
            raise PluginError(
                f"a plug-in given to the call is a {type(plugin).__name__}, not a gmn_fx.Plugin",
                hint='make one: plugin = gmn_fx.Plugin("name")',
            )
    return merge_plugins(shipped, third_party, extra)


def find_plugins(environ: Mapping[str, str]) -> tuple[list[Plugin], list[Plugin]]:
    """`(shipped, third party)` plug-ins that are installed and not switched off."""
    points = sorted(entry_points(group=GROUP), key=lambda p: (_distribution(p), p.name, p.value))
    shipped = [p for p in points if _distribution(p) == SHIPPED]
    if not shipped:
        raise PluginError(
            "the passes of gmn-fx itself are not installed: no entry point "
            f"{GROUP!r} of the distribution {SHIPPED!r}",
            hint="install the package, also for development: pip install -e .",
        )
    others = [p for p in points if p not in shipped and _is_on(p, environ)]
    return [_load(p) for p in shipped], [_load(p) for p in others]


def _is_on(point: EntryPoint, environ: Mapping[str, str]) -> bool:
    setting = environ.get(VARIABLE, "").strip()
    if setting == "0":
        return False
    words = [word.strip() for word in setting.split(",") if word.strip()]
    unknown = [word for word in words if word != "1" and not word.startswith("-")]
    if unknown:
        raise PluginError(
            f"{VARIABLE}={setting} is not understood",
            hint=f"{VARIABLE}=0 switches all third-party plug-ins off, {VARIABLE}=-acme one",
        )
    return not {f"-{point.name}", f"-{_distribution(point)}"} & set(words)


def _load(point: EntryPoint) -> Plugin:
    version = point.dist.version if point.dist is not None else "unknown version"
    where = f"{_distribution(point)} {version} ({point.name} = {point.value})"
    shipped = _distribution(point) == SHIPPED
    remedy = (
        "this is a bug of gmn-fx or a broken installation: reinstall it"
        if shipped
        else f"switch it off with {VARIABLE}=-{point.name} (or all: {VARIABLE}=0), "
        "or report it to its authors"
    )
    try:
        plugin = point.load()
    except Exception as error:
        raise PluginError(
            f"the plug-in {where} cannot be loaded: {type(error).__name__}: {error}", hint=remedy
        ) from error
    if not isinstance(plugin, Plugin):
        raise PluginError(
            f"the plug-in {where} is a {type(plugin).__name__}, not a gmn_fx.Plugin", hint=remedy
        )
    return plugin


def _distribution(point: EntryPoint) -> str:
    name = point.dist.name if point.dist is not None else "unknown"
    return re.sub(r"[-_.]+", "-", name).lower()

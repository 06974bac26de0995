"""A plug-in is a value: a bag of rules, passes and pipelines. Nothing is global."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gmn_fx.errors import PluginError
from gmn_fx.registry.build import Build
from gmn_fx.registry.passes import Pass
from gmn_fx.registry.rules import Guard, Rules

F = TypeVar("F", bound=Callable[..., object])
P = TypeVar("P", bound=type[Pass])

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(eq=False)
class Plugin:
    """What one package or one `model.py` adds to gmn-fx.

    name: the owner named in error messages.
    rules, passes, pipelines, backends: the tables; fill the first two by the decorators,
    `pipelines[name]` with a pass specification and `backends[name]` with an object.

    Example:
        plugin = Plugin("acme")

        @plugin.lowering(MyLayer)
        def lower_my_layer(b, module, x): ...

        @plugin.register_pass
        @dataclass(frozen=True)
        class DropNothing(Pass): ...
    """

    name: str
    rules: Rules = field(default_factory=Rules)
    passes: dict[str, type[Pass]] = field(default_factory=dict)
    pipelines: dict[str, str] = field(default_factory=dict)
    backends: dict[str, object] = field(default_factory=dict)

    def lowering(
        self, *keys: object, when: Guard | None = None, override: bool = False
    ) -> Callable[[F], F]:
        """Register the function below as the lowering of every key.

        Args:
            keys: nn.Module classes, Python functions, torch functions, tensor methods, ATen
                overloads or packets.
            when: guard on the fx.Node; guarded rules are asked before plain ones.
            override: replace a rule that exists on the key.
        """
        return self.rules.register(*keys, when=when, override=override, owner=self.name)

    def register_pass(self, cls: P) -> P:
        """Register a pass class (a frozen dataclass derived from `Pass`)."""
        check_pass_class(cls, self.name)
        if cls.name in (*self.passes, Build.name):
            raise PluginError(
                f"pass {cls.name!r} of {self.name} is registered already",
                hint="give the class another name; `build` is taken by the step between levels",
            )
        self.passes[cls.name] = cls
        return cls


def check_pass_class(cls: type[Pass], owner: str) -> None:
    """Refuse a pass class that breaks the contract of `Pass`."""
    problem = _pass_problem(cls)
    if problem:
        raise PluginError(
            f"pass {getattr(cls, '__name__', cls)!s} of {owner} {problem[0]}", hint=problem[1]
        )


def _pass_problem(cls: type[Pass]) -> tuple[str, str] | None:
    if not (isinstance(cls, type) and issubclass(cls, Pass)):
        return "is not a subclass of gmn_fx.Pass", "derive it from gmn_fx.Pass"
    params = cls.__dict__.get("__dataclass_params__")
    if params is None or not params.frozen:
        return "is not a frozen dataclass", "write @dataclass(frozen=True) under @register_pass"
    if not _KEBAB.fullmatch(cls.name):
        return f"has the name {cls.name!r}", 'set name: ClassVar[str] = "in-kebab-case"'
    if cls.level not in ("program", "graph"):
        return f"has the level {cls.level!r}", 'level is "program" or "graph"'
    if inspect.isabstract(cls):
        return "has no apply method", "define apply(self, ir) -> PassResult"
    if not (cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(cls.__name__ + "("):
        return "has no docstring", "show the IR before and after in its docstring"
    needs = [
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if needs:
        return f"has options without default: {', '.join(needs)}", "give each option a default"
    return None

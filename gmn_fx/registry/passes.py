"""What a pass is: a frozen dataclass whose fields are its options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Literal

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.ir.program import Program

Level = Literal["program", "graph"]
IR = Program | ParameterGraph


@dataclass(frozen=True)
class PassResult:
    """What a pass returns.

    ir: the new program or graph; the very object that came in when nothing changed.
    changed: whether `ir` differs from what came in. The manager checks that this is true.
    """

    ir: Any
    changed: bool


@dataclass(frozen=True)
class Pass(ABC):
    """Base of every pass: subclass it as a frozen dataclass; the fields are the options.

    name: kebab-case; `name{option=1}` on the command line builds the pass.
    level: "program" maps a `Program`, "graph" maps a `ParameterGraph`.
    requires: properties that must hold before (names that earlier passes establish).
    establishes: properties that hold afterwards; the pass's own name is always among them.
    keeps_meaning: whether a program computes the same as before; False for what leaves out on
        purpose what a construction does not show.

    The docstring shows the IR before and after. `apply` never changes what it is given: it works
    on `program.copy()`, and returns `PassResult(ir, changed=False)` with the same object when
    there is nothing to do.

    Example:
        >>> @dataclass(frozen=True)
        ... class Nothing(Pass):
        ...     '''Leave the program as it is.'''
        ...     name: ClassVar[str] = "nothing"
        ...     def apply(self, ir: Program) -> PassResult:
        ...         return PassResult(ir, changed=False)
    """

    name: ClassVar[str] = ""
    level: ClassVar[Level] = "program"
    requires: ClassVar[frozenset[str]] = frozenset()
    establishes: ClassVar[frozenset[str]] = frozenset()
    keeps_meaning: ClassVar[bool] = True

    @abstractmethod
    def apply(self, ir: Any) -> PassResult:
        """Map `ir` (a `Program` or a `ParameterGraph`, by `level`) to its successor."""


def options_of(cls: type[Pass] | Pass) -> tuple[Field[Any], ...]:
    """The fields of a pass that are options (all but those hidden from `repr`)."""
    return tuple(f for f in fields(cls) if f.init and f.repr)

"""What a capture rung hands to `normalise`: an exported program, and where its nodes came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch.export import ExportedProgram
from torch.fx import Node


@dataclass(frozen=True)
class Origin:
    """Where in the user's model a node stands."""

    module: str = ""
    module_class: str = ""
    source: str = ""
    torch_fn: Any = None


@dataclass(frozen=True)
class Traced:
    """One rung's result, before it is normalised.

    exported: functional ATen, after `run_decompositions({})`.
    prefix: what the rung's wrapper put before the model's own state_dict names.
    origins: by the name that the wrapper annotated on nodes; empty when the exported program's
        own metadata is right.
    out_spec: structure of the model's outputs when the wrapper flattened them.
    in_spec: structure of the model's inputs when the wrapper flattened them.
    tensor_inputs: for each leaf of `in_spec`, whether the wrapper passed it on (tensors only);
        None if it passed on all of them.
    """

    exported: ExportedProgram
    prefix: str = ""
    origins: dict[str, Origin] = field(default_factory=dict)
    out_spec: Any = None
    in_spec: Any = None
    tensor_inputs: tuple[bool, ...] | None = None
    notes: tuple[str, ...] = ()

    def origin(self, node: Node) -> Origin | None:
        """The origin that a wrapper recorded for `node`, if any."""
        custom = node.meta.get("custom")
        key = custom.get(ORIGIN_KEY) if isinstance(custom, dict) else None
        return self.origins.get(key) if key is not None else None


ORIGIN_KEY = "gmn_fx_origin"

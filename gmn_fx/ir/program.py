"""The computation graph: an `fx.Graph` over one canonical op set, and what its inputs are bound to.

Every capture rung ends in a `Program`; every rewrite pass maps a `Program` to a `Program`.
Allowed nodes: `placeholder`, `call_function` whose target is an ATen `OpOverload`, an op of
`gmn_fx.ir.ops` or `operator.getitem`, and one `output` with a flat tuple of tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import fx

BindingKind = Literal["param", "buffer", "constant", "input"]


@dataclass(frozen=True)
class Binding:
    """What a placeholder stands for.

    kind: "param" (trainable or frozen `nn.Parameter`), "buffer" (persistent buffer: it is in the
    state_dict), "constant" (a tensor that is part of the architecture: non-persistent buffer or
    literal) or "input" (a user input).
    name: state_dict name, constant name, or input name ("x", "input_ids", "args[0]").
    aliases: other state_dict names of the same storage (tied parameters).
    reason: why a pass left it out of the program, if one did.
    """

    kind: BindingKind
    name: str
    trainable: bool = False
    aliases: tuple[str, ...] = ()
    reason: str = ""


@dataclass
class Program:
    """A captured model.

    graph: nodes carry `meta["val"]` (a tensor on the *meta* device, or a tuple of them),
        `meta["module"]` (dotted module path, "" for the root), `meta["module_class"]` (qualified
        class name), `meta["source"]` ("file.py:12" of the user's code, or "").
    bindings: placeholder node name -> Binding, in placeholder order.
    constants: values of "constant" bindings, and of integer buffers (index tables), by placeholder
        name; missing when they have no value (meta device).
    outputs: one readable name per output ("logits", "output[0]").
    rung: which capture rung made it; notes: what was specialised or dropped, in sentences.
    name: what the graph will be called. established: properties that passes have made true.
    """

    graph: fx.Graph
    bindings: dict[str, Binding]
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    rung: str = ""
    notes: tuple[str, ...] = ()
    name: str = "model"
    established: frozenset[str] = frozenset()

    def placeholder(self, name: str) -> fx.Node:
        """The placeholder node called `name`; KeyError if there is none."""
        for node in self.graph.nodes:
            if node.op == "placeholder" and node.name == name:
                return node
        raise KeyError(name)

    @property
    def output_nodes(self) -> tuple[fx.Node, ...]:
        """The nodes whose values the program returns."""
        out = next(n for n in reversed(self.graph.nodes) if n.op == "output")
        return tuple(out.args[0])  # type: ignore[arg-type]

    def copy(self) -> Program:
        """A copy whose graph may be changed; node names and metadata are kept."""
        graph = fx.Graph()
        mapping: dict[fx.Node, fx.Node] = {}
        for node in self.graph.nodes:
            new = graph.node_copy(node, lambda n: mapping[n])
            new.name = node.name
            new.meta = dict(node.meta)
            mapping[node] = new
        return replace(self, graph=graph)

    def run(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Execute on real tensors. `values`: placeholder name -> tensor (all of them)."""
        module = fx.GraphModule(torch.nn.Module(), self.graph)
        names = [n.name for n in self.graph.nodes if n.op == "placeholder"]
        interpreter = fx.Interpreter(module)
        return tuple(interpreter.run(*(values[n] for n in names), enable_io_processing=False))

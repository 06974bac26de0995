"""What is said of nodes without a rule."""

from __future__ import annotations

import torch
from torch import nn

from gmn_fx.ir import ops
from gmn_fx.registry import Rules, describe_missing
from tests.registry.programs import node_of

aten = torch.ops.aten


class Rope(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _rule() -> None:
    return None


def test_everything_about_one_op() -> None:
    rules = Rules()
    rules.register(aten.fft_rfft)(_rule)
    node = node_of(
        aten.fft_fft.default,
        module="blocks.0", module_class="my_model.Block", source="model.py:41",
    )  # fmt: skip
    assert rules.describe_missing([node]) == (
        "1 node has no lowering rule\n"
        "  blocks.0 (Block) : aten.fft_fft.default  model.py:41\n"
        "    looked up   torch.ops.aten.fft_fft.default, torch.ops.aten.fft_fft\n"
        "    near names  torch.ops.aten.fft_rfft\n"
        "    to add one  @plugin.lowering(torch.ops.aten.fft_fft.default)\n"
        "                def lower(b, x0): ...  # in your model.py or plug-in package\n"
        "    or          --on-unsupported opaque  (one node set joined to all it reads)"
    )


def test_equal_ops_are_told_once_with_their_places() -> None:
    nodes = [node_of(aten.sort.default, module=f"layer{i}") for i in range(7)]
    nodes += [node_of(aten.roll.default)]
    text = describe_missing(nodes)
    assert text.startswith("8 nodes have no lowering rule\n  layer0 : aten.sort.default")
    assert "  layer3 : " in text
    assert "layer4" not in text
    assert "and 3 more of the same" in text
    assert "(top level) : aten.roll.default  unknown line" in text
    assert text.count("looked up") == 2


def test_leaves_show_the_module_and_its_signature() -> None:
    leaf = {"key": "rope", "module": Rope(), "fn": None, "params": {"freq": 1}}
    node = node_of(ops.leaf, leaf=leaf)
    x = node.args[0]
    node.args = ("rope", x, x, x)
    text = describe_missing([node])
    assert "leaf rope" in text
    assert f"@plugin.lowering({__name__}.Rope)" in text
    assert "def lower(b, module, x0, x1)" in text


def test_refusing_guards_are_named() -> None:
    def only_batches(node: object) -> bool:
        return False

    rules = Rules()
    rules.register(aten.sort, when=only_batches, owner="acme")(_rule)
    text = rules.describe_missing([node_of(aten.sort.default)])
    assert (
        "but         the guard only_batches of acme's rule on torch.ops.aten.sort said no" in text
    )

"""Rules: which one a node finds, and what cannot be registered."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from gmn_fx.errors import AuthorError, DuplicateRuleError
from gmn_fx.ir import ops
from gmn_fx.ir.keys import module_keys
from gmn_fx.registry import Plugin, Rules, keys_of, leaf_keys, merge_plugins, spell
from gmn_fx.registry.rules import merge_rules
from tests.registry.programs import node_of

aten = torch.ops.aten


class Own(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Plain(nn.Linear):
    pass


def helper(x: torch.Tensor) -> torch.Tensor:
    return x


def rule(*_: Any) -> None:
    return None


def other(*_: Any) -> None:
    return None


def _leaf(module: nn.Module | None = None, fn: Any = None) -> Any:
    return node_of(ops.leaf, leaf={"key": "k", "module": module, "fn": fn, "params": {}})


def test_module_keys_stop_at_the_owner_of_forward() -> None:
    assert module_keys(nn.Linear(1, 1)) == (nn.Linear,)
    assert module_keys(Plain(1, 1)) == (Plain, nn.Linear)
    assert module_keys(Own(1, 1)) == (Own,)
    assert module_keys(nn.BatchNorm1d(1))[-1].__name__ == "_BatchNorm"
    weighted = parametrizations.weight_norm(nn.Linear(2, 2))
    assert module_keys(weighted)[-1] is nn.Linear


def test_keys_of_leaves() -> None:
    assert keys_of(_leaf(Plain(1, 1))) == (Plain, nn.Linear)
    assert keys_of(_leaf(fn=helper)) == (helper,)
    assert keys_of(_leaf()) == ()


def test_keys_of_aten_nodes_are_overload_packet_and_torch_function() -> None:
    node = node_of(aten.relu.default, torch_fn=("relu_1", "builtin_function_or_method.relu"))
    assert keys_of(node) == (aten.relu.default, aten.relu, torch.relu, torch.Tag.pointwise)
    node = node_of(aten.relu.default, torch_fn=("relu_1", "function.relu"))
    assert keys_of(node)[2:-1] == (F.relu,)
    node = node_of(aten.relu.default, torch_fn=("relu_1", "method_descriptor.relu"))
    assert keys_of(node)[2:-1] == (torch.Tensor.relu,)
    node = node_of(aten.add.Tensor, torch_fn=("add_1", "method_descriptor.add"))
    assert keys_of(node)[2:-1] == (torch.Tensor.add, operator.add)
    node = node_of(aten.linear.default, torch_fn=("l", "builtin_function_or_method.linear"))
    assert keys_of(node)[2:] == (F.linear,)


def test_a_torch_function_that_became_another_op_is_no_key() -> None:
    """`chunk` left a `split` and getitems: a rule for chunk would meet other arguments."""
    node = node_of(aten.split.Tensor, torch_fn=("chunk_1", "method_descriptor.chunk"))
    assert keys_of(node) == (aten.split.Tensor, aten.split)


def test_real_export_finds_a_rule_on_the_torch_function() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(torch.relu(x.relu())) + 1

    exported = torch.export.export(Net(), (torch.zeros(2),), strict=False).run_decompositions({})
    rules = Rules()
    for key in (torch.relu, F.relu, torch.Tensor.relu, operator.add):
        rules.register(key, owner=spell(key))(rule)
    nodes = [n for n in exported.graph.nodes if n.op == "call_function"]
    found = [rules.find(node) for node in nodes]
    assert [r.owner if r else None for r in found] == [
        "torch.Tensor.relu", "torch.relu", "torch.nn.functional.relu", "operator.add",
    ]  # fmt: skip


def test_other_nodes_have_the_function_itself_or_nothing() -> None:
    assert keys_of(node_of(ops.bias)) == (ops.bias,)
    assert keys_of(node_of(operator.getitem)) == (operator.getitem,)
    assert keys_of(next(iter(node_of(ops.bias).graph.nodes))) == ()


def test_guarded_before_plain_and_specific_before_general() -> None:
    rules = Rules()
    rules.register(aten.relu)(rule)
    node = node_of(aten.relu.default)
    assert rules.find(node).fn is rule  # type: ignore[union-attr]
    rules.register(aten.relu.default, when=lambda n: n.meta.get("yes", False))(other)
    assert rules.find(node).fn is rule  # type: ignore[union-attr]
    node.meta["yes"] = True
    assert rules.find(node).fn is other  # type: ignore[union-attr]
    assert rules.find(node_of(aten.tanh.default)) is None


def test_two_plain_rules_on_one_key_name_both_owners() -> None:
    rules = Rules()
    rules.register(nn.Linear, owner="first")(rule)
    with pytest.raises(DuplicateRuleError) as caught:
        rules.register(nn.Linear, owner="second")(other)
    text = str(caught.value)
    assert "torch.nn.Linear has two lowering rules: from first (rule, test_rules.py:" in text
    assert "and second (other, test_rules.py:" in text
    assert "override=True" in text
    rules.register(nn.Linear, owner="second", override=True)(other)
    assert rules.find(_leaf(nn.Linear(1, 1))).owner == "second"  # type: ignore[union-attr]


def test_one_guard_twice_is_a_duplicate_and_two_guards_are_not() -> None:
    def guard(node: Any) -> bool:
        return True

    rules = Rules()
    rules.register(nn.Linear, when=guard)(rule)
    rules.register(nn.Linear, when=lambda n: True)(other)
    with pytest.raises(DuplicateRuleError, match="with the same guard"):
        rules.register(nn.Linear, when=guard)(other)
    assert rules.find(_leaf(nn.Linear(1, 1))).fn is rule  # type: ignore[union-attr]
    assert len(rules) == len(list(rules)) == 2


def _bag(owner: str, *keys: object, override: bool = False) -> Plugin:
    plugin = Plugin(owner)
    plugin.lowering(*keys, override=override)(rule)
    return plugin


def test_precedence_between_owners() -> None:
    shipped, node = _bag("gmn-fx", aten.relu.default), node_of(aten.relu.default)
    with pytest.raises(DuplicateRuleError):
        merge_plugins([shipped], [_bag("acme", aten.relu.default)])

    def owner(plugins: list[Plugin], call: list[Plugin]) -> str:
        return merge_plugins([shipped], plugins, call).rules.find(node).owner  # type: ignore[union-attr]

    general = _bag("general", aten.relu)
    assert owner([general], []) == "gmn-fx"
    assert owner([_bag("loud", aten.relu, override=True)], []) == "loud"
    replaced = _bag("replaced", aten.relu.default, override=True)
    assert owner([replaced], []) == "replaced"
    # Rules given to the call need no override, not even on a more general key.
    assert owner([replaced], [_bag("call", aten.relu)]) == "call"
    assert owner([replaced], [_bag("call", aten.relu.default)]) == "call"
    with pytest.raises(DuplicateRuleError, match=r"from a .* and b "):
        merge_plugins([shipped], [], [_bag("a", nn.ReLU), _bag("b", nn.ReLU)])


def test_two_plugins_that_both_override_collide() -> None:
    """The second would win by the order of loading alone."""
    bags = [_bag("a", nn.ReLU, override=True), _bag("b", nn.ReLU, override=True)]
    with pytest.raises(DuplicateRuleError, match=r"from a .* and b "):
        merge_plugins([], bags)


def test_merging_leaves_the_bags_alone() -> None:
    bag = _bag("a", nn.ReLU)
    merge_rules([bag.rules], [], [_bag("b", nn.ReLU).rules])
    assert [r.owner for r in bag.rules] == ["a"]


def test_leaf_keys_are_modules_and_plain_functions() -> None:
    keys = (Own, nn.Linear, helper, torch.relu, F.relu, F.softmax, torch.Tensor.view, operator.add,
            aten.relu, aten.relu.default, ops.bias, torch.einsum, torch.Tag.pointwise)  # fmt: skip
    classes, functions = leaf_keys(_bag("a", *keys).rules)
    assert classes == (Own, nn.Linear)
    assert functions == (helper,)
    assert leaf_keys(merge_plugins([_bag("a", helper)])) == ((), (helper,))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("aten.relu", "on the string 'aten.relu'"),
        (nn.Linear(1, 1), "on an instance of Linear"),
        (nn.Module, "on nn.Module itself"),
        (dict, "on the class dict, which is not an nn.Module"),
        (3, "on 3, which is not callable"),
        (aten.relu_.default, "on the in-place torch.ops.aten.relu_.default"),
        (aten.relu_, "on the in-place torch.ops.aten.relu_"),
        (torch.Tensor.add_, "on the in-place torch.Tensor.add_"),
        (torch.relu_, "on the in-place torch.relu_"),
    ],
)
def test_keys_that_can_never_match(key: object, message: str) -> None:
    with pytest.raises(AuthorError) as caught:
        Plugin("acme").lowering(key)(rule)
    assert message in str(caught.value)


def test_no_key_at_all() -> None:
    with pytest.raises(AuthorError, match="acme registers a lowering on nothing"):
        Plugin("acme").lowering()


def test_failing_guard_names_its_owner() -> None:
    rules = Rules()
    rules.register(aten.relu, when=lambda n: n.meta["nope"], owner="acme")(rule)
    with pytest.raises(
        AuthorError, match=r"the guard of acme's rule on torch.ops.aten.relu failed"
    ):
        rules.find(node_of(aten.relu.default))


def test_spelling_is_what_one_writes() -> None:
    keys = {
        torch.relu: "torch.relu", F.relu: "torch.nn.functional.relu", nn.Linear: "torch.nn.Linear",
        F.linear: "torch.nn.functional.linear", torch.Tensor.view: "torch.Tensor.view",
        operator.add: "operator.add", aten.add: "torch.ops.aten.add",
        aten.add.Tensor: "torch.ops.aten.add.Tensor", ops.bias: "gmn_fx.ir.ops.bias",
        torch.einsum: "torch.einsum", torch.Tag.pointwise: "torch.Tag.pointwise",
    }  # fmt: skip
    assert {key: spell(key) for key in keys} == keys
    assert spell(helper).endswith("test_rules.helper")

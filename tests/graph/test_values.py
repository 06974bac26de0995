from __future__ import annotations

import math
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from gmn_fx.errors import GraphError, UnsupportedTensorError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot
from gmn_fx.graph.values import same_bits, value_dtype

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
    torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool, torch.uint16,
    torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def any_bits(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Random bit patterns: NaN payloads, infinities, negative zeros and denormals among them."""
    generator = torch.Generator().manual_seed(seed)
    count = math.prod(shape) * dtype.itemsize
    raw = torch.randint(0, 2 if dtype == torch.bool else 256, (count,), generator=generator)
    return raw.to(torch.uint8).view(dtype).reshape(shape)


def state_of(graph: ParameterGraph, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    state = {}
    for number, slot in enumerate(graph.slots):
        tensor = any_bits(slot.shape, dtype, number)
        state.update({name: tensor for name in (slot.name, *slot.aliases)})
    return state


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert same_bits(left[name], right[name]), name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_p2_round_trip_is_bit_exact(any_graph, dtype):
    state = state_of(any_graph, dtype)
    graph = any_graph.bind(state)
    values = graph.edge_values()
    assert values.dtype == dtype
    assert_same(graph.to_state_dict(values), state)


@pytest.mark.parametrize("other", DTYPES, ids=str)
def test_p2_round_trip_with_mixed_dtypes(mlp, other):
    state = state_of(mlp, torch.float32)
    state["0.bias"] = any_bits((3,), other, 5)
    state["2.weight"] = any_bits((1, 3), torch.int64, 6)
    graph = mlp.bind(state)
    assert_same(graph.to_state_dict(graph.edge_values()), state)
    graph.verify(level="values")


def test_mixed_dtypes_are_promoted(mlp):
    state = state_of(mlp, torch.float16)
    state["0.bias"] = state["0.bias"].float()
    assert value_dtype(mlp.bind(state)) == torch.float32


def test_changed_values_are_cast_and_others_keep_their_bits(mlp):
    state = {k: torch.ones(s.shape, dtype=torch.int64) for k, s in _by_name(mlp)}
    state["0.weight"] = torch.randn(3, 2)
    state["0.bias"] = torch.tensor([2**53 + 1, 2, 3])
    graph = mlp.bind(state)
    values = graph.edge_values()
    values[7] = 7.9
    assert graph.to_state_dict(values)["0.bias"].tolist() == [2**53 + 1, 8, 3]


def _by_name(graph):
    return [(s.name, s) for s in graph.slots]


def test_p2_new_edge_values_arrive(any_graph, bind_random):
    graph = bind_random(any_graph)
    other = bind_random(any_graph, seed=9)
    back = graph.to_state_dict(other.edge_values())
    read = {b.slot for b in graph.bundles}
    for slot in graph.slots:
        if slot.name in read and slot.name != "rows":
            assert torch.equal(back[slot.name], other.values[slot.name])


def test_unread_elements_come_from_the_bound_values(conv, bind_random):
    graph, other = bind_random(conv), bind_random(conv, seed=3)
    rows = graph.to_state_dict(other.edge_values())["rows"].reshape(-1)
    kept = [i for i in range(8) if i not in {0, 1, 2, 3, 4, 5}]
    assert torch.equal(rows[kept], graph.values["rows"].reshape(-1)[kept])
    assert torch.equal(rows[:5], other.values["rows"].reshape(-1)[:5])


def test_aliases_are_in_the_state_dict(conv, bind_random):
    graph = bind_random(conv)
    state = graph.to_state_dict(graph.edge_values())
    assert state["twin.weight"] is state["conv.weight"]
    assert graph.to_state_dict()["twin.weight"] is graph.values["conv.weight"]


def test_structure_only_graph_takes_edge_values(mlp):
    state = mlp.to_state_dict(torch.arange(13.0))
    assert state["0.weight"].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_structure_only_graph_lacks_unread_elements(conv):
    with pytest.raises(GraphError, match="no values for them"):
        conv.to_state_dict(torch.zeros(conv.num_edges))
    with pytest.raises(GraphError, match="bind"):
        conv.to_state_dict()
    with pytest.raises(GraphError, match=r"4 more slots|bind"):
        conv.edge_values()


def test_gradients_flow_to_edge_values(any_graph, bind_random):
    graph = bind_random(any_graph)
    values = graph.edge_values().requires_grad_()
    state = graph.to_state_dict(values)
    total = sum(state[s.name].sum() for s in graph.slots)
    total.backward()
    arrays = graph.to_pyg()
    assert values.grad is not None
    if graph.name != "tied":
        assert torch.equal(values.grad != 0, arrays.edge_param >= 0)


def test_tied_values_that_differ(tied, bind_random):
    graph = bind_random(tied)
    values = graph.edge_values()
    values[14] += 1
    with pytest.raises(GraphError, match=r"element \(0, 2\) of tied slot 'wte.weight' is on 2"):
        graph.to_state_dict(values)
    mean = graph.to_state_dict(values, reduce="mean")["wte.weight"]
    expected = graph.values["wte.weight"].clone()
    expected[0, 2] += 0.5
    torch.testing.assert_close(mean, expected)
    same = torch.ones(4, 3, dtype=torch.bool)
    same[0, 2] = False
    assert torch.equal(mean[same], graph.values["wte.weight"][same])


def test_mean_is_differentiable(tied, bind_random):
    graph = bind_random(tied)
    values = graph.edge_values().requires_grad_()
    graph.to_state_dict(values, reduce="mean")["wte.weight"].sum().backward()
    assert torch.allclose(values.grad, torch.full((24,), 0.5))


def test_wrong_edge_values(mlp):
    with pytest.raises(GraphError, match="13 edges"):
        mlp.to_state_dict(torch.zeros(12))
    with pytest.raises(GraphError, match="unknown"):
        mlp.to_state_dict(torch.zeros(13), reduce="max")


def test_bind_holds_tensors_by_reference(mlp, mlp_model):
    state = mlp_model.state_dict()
    graph = mlp.bind(state)
    assert graph.values["0.weight"].data_ptr() == state["0.weight"].data_ptr()
    assert graph.bundles is mlp.bundles
    assert not mlp.values
    assert not graph.values["0.weight"].requires_grad


def test_edge_values_compute_the_network(mlp, mlp_model):
    """The MLP, evaluated on its edge list."""
    graph = mlp.bind(mlp_model.state_dict())
    data = graph.to_pyg()
    x = torch.randn(2)
    node = torch.zeros(8)
    node[:2], node[2], node[6] = x, 1, 1
    src, dst = data.edge_index
    for low, high in ((3, 6), (7, 8)):
        on = (dst >= low) & (dst < high)
        node.index_add_(0, dst[on], data.edge_value[on] * node[src[on]])
        node[low:high] = node[low:high].relu() if high < 8 else node[low:high]
    torch.testing.assert_close(node[7:], mlp_model(x).detach())


def test_bind_takes_any_alias(tied):
    table = torch.randn(4, 3)
    assert tied.bind({"head.weight": table}).values["wte.weight"].data_ptr() == table.data_ptr()
    tied.bind({"head.weight": table, "wte.weight": table.clone()})
    with pytest.raises(GraphError, match=r"'wte.weight' and 'head.weight' are one tied"):
        tied.bind({"head.weight": table, "wte.weight": table + 1})


def test_bind_names_what_does_not_fit(mlp, mlp_model):
    state = mlp_model.state_dict()
    state["0.wieght"] = state.pop("0.weight")
    state["extra"] = torch.zeros(1)
    with pytest.raises(GraphError) as caught:
        mlp.bind(state)
    assert "missing: '0.weight' (near: '0.wieght')" in str(caught.value)
    assert "unexpected: 'extra'" in str(caught.value)
    assert "hint:" in str(caught.value)


def test_bind_checks_shapes_and_layouts(mlp, mlp_model):
    state = mlp_model.state_dict()
    with pytest.raises(GraphError, match=r"shape \(2, 3\), the graph has \(3, 2\)"):
        mlp.bind({**state, "0.weight": torch.zeros(2, 3)})
    with pytest.raises(UnsupportedTensorError, match="sparse"):
        mlp.bind({**state, "0.weight": torch.zeros(3, 2).to_sparse()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates making them; old checkpoints hold them
        quantised = torch.quantize_per_tensor(torch.zeros(3, 2), 1, 0, torch.qint8)
    with pytest.raises(UnsupportedTensorError, match="quantised"):
        mlp.bind({**state, "0.weight": quantised})
    with pytest.raises(GraphError, match="meta device"):
        mlp.bind({**state, "0.weight": torch.zeros(3, 2, device="meta")})
    with pytest.raises(GraphError, match="not a tensor"):
        mlp.bind({**state, "0.weight": [0.0]})


def test_bind_takes_another_dtype(mlp, mlp_model):
    graph = mlp.bind(mlp_model.half().state_dict())
    assert {s.dtype for s in graph.slots} == {torch.float16}
    assert graph.edge_values().dtype == torch.float16
    assert graph.signature == mlp.signature


def test_bind_ignores_extra_state(mlp, mlp_model):
    mlp.bind({**mlp_model.state_dict(), "_extra_state": {"a": 1}})


def test_views_of_odd_memory(mlp, mlp_model):
    """Transposed, expanded and conjugated tensors are read by their elements."""
    state = mlp_model.state_dict()
    state["0.weight"] = torch.randn(2, 3).T
    state["0.bias"] = torch.randn(1).expand(3)
    graph = mlp.bind(state)
    assert_same(graph.to_state_dict(graph.edge_values()), state)
    complex_state = {
        k: torch.randn(v.shape, dtype=torch.complex64).conj() for k, v in state.items()
    }
    graph = mlp.bind(complex_state)
    back = graph.to_state_dict(graph.edge_values())
    assert all(torch.equal(back[k], complex_state[k]) for k in state)


def test_negative_strides_and_zero_size_slots():
    slots = (Slot("w", (4,), torch.float32, 0), Slot("none", (0, 3), torch.float32, 4))
    graph = ParameterGraph(
        "flip", slots, (Group("neuron", "x", 0, 8),),
        (Bundle("weight", "x", (4,), IndexMap.arange(4), IndexMap.arange(4, 4), "w",
                IndexMap((4,), 3, (-1,))),),
        established=frozenset({"collapse-weight-sharing"}),
    ).bind({"w": torch.arange(4.0), "none": torch.zeros(0, 3)})  # fmt: skip
    graph.verify(level="values")
    assert graph.edge_values().tolist() == [3, 2, 1, 0]
    assert graph.to_state_dict(torch.arange(4.0))["w"].tolist() == [3, 2, 1, 0]
    assert replace(graph, values={}).to_state_dict(torch.arange(4.0))["none"].shape == (0, 3)


def test_a_real_module_takes_the_state_dict(mlp, mlp_model):
    graph = mlp.bind(mlp_model.state_dict())
    other = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    other.load_state_dict(graph.to_state_dict(graph.edge_values()))
    x = torch.randn(5, 2)
    assert torch.equal(other(x), mlp_model(x))

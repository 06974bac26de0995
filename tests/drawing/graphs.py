"""Parameter graphs made by hand: drawing is tested without the extractor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot


@dataclass
class Maker:
    """Collects groups, slots and bundles."""

    groups: list[Group] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    nodes: int = 0
    parameters: int = 0

    def group(self, kind: str, op: str, size: int, name: str = "", depth: int = -1) -> Group:
        made = Group(kind, op, self.nodes, size, depth, name=name, source="model.py:7")
        self.nodes += size
        self.groups.append(made)
        return made

    def slot(self, name: str, shape: tuple[int, ...], trainable: bool = True) -> Slot:
        made = Slot(name, shape, torch.float32, self.parameters, trainable)
        self.parameters += made.numel
        self.slots.append(made)
        return made

    def pin(self, group: Group, pin: int) -> Group:
        at = self.groups.index(group)
        made = replace(
            group, label=IndexMap.arange(group.size), pin=IndexMap.constant(pin, (group.size,))
        )
        self.groups[at] = made
        return made

    def dense(self, src: Group, dst: Group, name: str, op: str = "linear", **more: object) -> None:
        """A weight of shape [dst, src], or [dst, src, k] with `kernel=k`."""
        kernel = more.pop("kernel", ())
        shape = (dst.size, src.size, *kernel)
        ones = (1,) * len(kernel)
        label = IndexMap((), -1, ())
        if kernel:
            taps = torch.Size(kernel).numel()
            label = IndexMap.from_array(torch.arange(taps).reshape(1, 1, *kernel).numpy()).expand(
                shape
            )
        slot = self.slot(name, shape)
        self.bundles.append(
            Bundle(
                "weight",
                op,
                shape,
                IndexMap((1, src.size, *ones), src.start, (0, 1, *(0,) * len(kernel))).expand(
                    shape
                ),
                IndexMap((dst.size, 1, *ones), dst.start, (1, 0, *(0,) * len(kernel))).expand(
                    shape
                ),
                slot.name,
                _row_major(shape),
                label=label,
                name=name.rpartition(".")[0],
                **more,
            )
        )

    def line(
        self, src: Group, dst: Group, kind: str, op: str, name: str = "", **more: object
    ) -> None:
        """One edge a node of `dst`; `name` gives it a slot."""
        shape = (dst.size,)
        step = 1 if src.size == dst.size else 0
        slot = self.slot(name, shape, kind != "running") if name else None
        self.bundles.append(
            Bundle(
                kind,
                op,
                shape,
                IndexMap(shape, src.start, (step,)),
                IndexMap.arange(dst.size, dst.start),
                slot.name if slot else None,
                IndexMap.arange(dst.size) if slot else None,
                **more,
            )
        )

    def graph(self, name: str, values: bool = True, **more: object) -> ParameterGraph:
        made = {}
        if values:
            torch_rng = torch.Generator().manual_seed(7)
            made = {s.name: torch.randn(s.shape, generator=torch_rng) for s in self.slots}
        return ParameterGraph(
            name, tuple(self.slots), tuple(self.groups), tuple(self.bundles), values=made, **more
        )


def _row_major(shape: tuple[int, ...]) -> IndexMap:
    strides = [1]
    for n in reversed(shape[1:]):
        strides.insert(0, strides[0] * n)
    return IndexMap(shape, 0, tuple(strides))


def mlp(sizes: tuple[int, ...] = (2, 8, 8, 1), values: bool = True) -> ParameterGraph:
    """Linear layers with a bias node each."""
    make = Maker()
    last = make.pin(make.group("input", "input", sizes[0], depth=0), 0)
    for k, size in enumerate(sizes[1:], 1):
        name = f"fc{k}"
        layer = make.group("neuron", "linear", size, name, k)
        if k == len(sizes) - 1:
            layer = make.pin(layer, 1)
        bias = make.group("bias", "linear", 1, name, k - 1)
        past = {"history": IndexMap.constant(1)} if k > 1 else {}
        make.dense(last, layer, f"{name}.weight", depth=k, **past)
        make.line(bias, layer, "bias", "linear", f"{name}.bias", depth=k)
        last = layer
    return make.graph("mlp", values, histories=("", "relu"))


def residual_net() -> ParameterGraph:
    """Conv, norm with running statistics, two convs with a skip, pool, linear."""
    make = Maker()
    image = make.pin(make.group("input", "input", 1, depth=0), 0)
    stem = make.group("channel", "conv2d", 3, "stem", 1)
    make.dense(image, stem, "stem.weight", "conv2d", kernel=(3, 3))
    norm = make.group("channel", "normalize", 3, "bn", 2)
    one = make.group("bias", "normalize", 1, "bn", 1)
    make.line(stem, norm, "gain", "normalize", "bn.weight")
    make.line(one, norm, "shift", "normalize", "bn.bias")
    make.line(one, norm, "running", "normalize", "bn.running_mean")
    first = make.group("channel", "conv2d", 3, "block.conv1", 3)
    make.dense(norm, first, "block.conv1.weight", "conv2d", kernel=(3, 3))
    second = make.group("channel", "conv2d", 3, "block.conv2", 4)
    make.dense(first, second, "block.conv2.weight", "conv2d", kernel=(3, 3))
    total = make.group("sum", "residual", 3, "block", 5)
    make.line(second, total, "flow", "residual")
    make.line(norm, total, "residual", "residual")
    head = make.pin(make.group("neuron", "linear", 2, "head", 6), 1)
    bias = make.group("bias", "linear", 1, "head", 5)
    make.dense(total, head, "head.weight")
    make.line(bias, head, "bias", "linear", "head.bias")
    return make.graph("tiny resnet")


def transformer(
    layers: int = 12, width: int = 768, vocabulary: int = 50257, places: int = 1024
) -> ParameterGraph:
    """GPT-2's groups and bundles, roughly: embeddings, pre-norm blocks, a head."""
    make = Maker()
    tokens = make.pin(make.group("vocabulary", "embedding", vocabulary, "transformer.wte", 0), 0)
    where = make.pin(make.group("position", "embedding", places, "transformer.wpe", 0), 1)
    stream = make.group("neuron", "add", width, "transformer", 1)
    make.dense(tokens, stream, "transformer.wte.weight", "embedding")
    make.dense(where, stream, "transformer.wpe.weight", "embedding")
    for k in range(layers):
        at = f"transformer.h.{k}"
        stream = _attention(make, stream, at, width, 8 * k + 2)
        stream = _feed_forward(make, stream, at, width, 8 * k + 6)
    normed = _norm(make, stream, "transformer.ln_f", 8 * layers + 2)
    head = make.pin(make.group("neuron", "linear", vocabulary, "lm_head", 8 * layers + 3), 2)
    make.dense(normed, head, "lm_head.weight", depth=8 * layers + 3)
    return make.graph("gpt2", values=False)


def _norm(make: Maker, src: Group, name: str, depth: int) -> Group:
    stat = make.group("statistic", "layer_norm", 1, name, depth)
    out = make.group("neuron", "layer_norm", src.size, name, depth)
    one = make.group("bias", "layer_norm", 1, name, depth - 1)
    make.bundles.append(
        Bundle(
            "statistic",
            "layer_norm",
            (src.size,),
            IndexMap.arange(src.size, src.start),
            IndexMap.constant(stat.start, (src.size,)),
        )
    )
    make.line(stat, out, "flow", "layer_norm")
    make.line(src, out, "gain", "layer_norm", f"{name}.weight")
    make.line(one, out, "shift", "layer_norm", f"{name}.bias")
    return out


def _linear(make: Maker, src: Group, name: str, size: int, depth: int, **more: object) -> Group:
    out = make.group("neuron", "linear", size, name, depth)
    one = make.group("bias", "linear", 1, name, depth - 1)
    make.dense(src, out, f"{name}.weight", **more)
    make.line(one, out, "bias", "linear", f"{name}.bias")
    return out


def _attention(make: Maker, stream: Group, at: str, width: int, depth: int) -> Group:
    normed = _norm(make, stream, f"{at}.ln_1", depth)
    qkv = _linear(make, normed, f"{at}.attn.c_attn", 3 * width, depth + 1)
    scores = make.group("product", "matmul", width, f"{at}.attn", depth + 2)
    mixed = make.group("product", "matmul", width, f"{at}.attn", depth + 3)
    shape = (width,)
    for k, dst in enumerate((scores, scores, mixed)):
        make.bundles.append(
            Bundle(
                "operand",
                "matmul",
                shape,
                IndexMap(shape, qkv.start + k * width, (1,)),
                IndexMap(shape, dst.start, (1,)),
                operand=k % 2,
            )
        )
    make.line(scores, mixed, "operand", "matmul", operand=0)
    out = _linear(make, mixed, f"{at}.attn.c_proj", width, depth + 4)
    return _skip(make, stream, out, at, depth + 5)


def _feed_forward(make: Maker, stream: Group, at: str, width: int, depth: int) -> Group:
    normed = _norm(make, stream, f"{at}.ln_2", depth)
    wide = _linear(make, normed, f"{at}.mlp.c_fc", 4 * width, depth + 1)
    out = _linear(make, wide, f"{at}.mlp.c_proj", width, depth + 2)
    return _skip(make, stream, out, at, depth + 3)


def _skip(make: Maker, stream: Group, branch: Group, at: str, depth: int) -> Group:
    total = make.group("sum", "residual", stream.size, at, depth)
    make.line(branch, total, "flow", "residual")
    make.line(stream, total, "residual", "residual")
    return total


def chain(length: int = 200, name: str = "layers.{}") -> ParameterGraph:
    """A deep chain of small linear layers."""
    make = Maker()
    last = make.pin(make.group("input", "input", 4, depth=0), 0)
    for k in range(length - 1):
        layer = make.group("neuron", "linear", 4, name.format(k), k + 1)
        make.dense(last, layer, f"{name.format(k) or f'w.{k}'}.weight")
        last = layer
    return make.graph("chain")


def recurrent() -> ParameterGraph:
    """A gated cell: a state that its gates read, an inner state, outputs that read the first."""
    make = Maker()
    state = make.group("state", "lstm", 4, "cell")
    inner = make.group("state", "lstm", 4, "cell")
    data = make.pin(make.group("input", "input", 3), 0)
    gates = make.group("neuron", "linear", 16, "cell")
    again = make.group("neuron", "linear", 16, "cell")
    both = make.group("neuron", "add", 4, "cell")
    kept = make.group("product", "mul", 4, "cell")
    out = make.pin(make.group("neuron", "linear", 2, "head"), 1)
    make.dense(data, gates, "cell.weight_ih")
    make.dense(state, again, "cell.weight_hh")
    make.dense(gates, both, "cell.mix")
    make.dense(again, both, "cell.mix_again")
    make.line(both, inner, "flow", "add")
    make.line(inner, kept, "operand", "mul")
    make.line(kept, inner, "flow", "add")
    make.line(inner, state, "flow", "mul")
    make.line(both, state, "flow", "mul")
    make.dense(state, out, "head.weight")
    return make.graph("recurrent")


def experts(layers: int = 2, number: int = 3) -> ParameterGraph:
    """Layers with a gate, experts of two linear layers, and their sum on the residual stream."""
    make = Maker()
    stream = make.pin(make.group("input", "input", 4, depth=0), 0)
    for k in range(layers):
        gate = make.group("neuron", "linear", number, f"layers.{k}.gate", 2 * k + 1)
        make.dense(stream, gate, f"layers.{k}.gate.weight")
        outs = []
        for e in range(number):
            at = f"layers.{k}.experts.{e}"
            up = _linear(make, stream, f"{at}.w1", 8, 2 * k + 1)
            outs.append(_linear(make, up, f"{at}.w2", 4, 2 * k + 2))
        mixed = make.group("neuron", "mix", 4, f"layers.{k}", 2 * k + 2)
        make.line(gate, mixed, "operand", "mix")
        for out in outs:
            make.line(out, mixed, "flow", "mix")
        stream = _skip(make, stream, mixed, f"layers.{k}", 2 * k + 2)
    return make.graph("experts", values=False)


def densely_connected(blocks: int = 3, layers: int = 16) -> ParameterGraph:
    """Blocks whose layers, of two groups each, read all layers of their block before them."""
    make = Maker()
    before = [make.pin(make.group("input", "input", 2, depth=0), 0)]
    for b in range(blocks):
        for k in range(layers):
            at, depth = f"block{b}.layer{k}", 2 * (b * layers + k) + 1
            first = make.group("neuron", "linear", 2, f"{at}.first", depth)
            for n, earlier in enumerate(before):
                make.dense(earlier, first, f"{at}.first.{n}.weight")
            before.append(make.group("neuron", "linear", 2, f"{at}.second", depth + 1))
            make.dense(first, before[-1], f"{at}.second.weight")
        before = before[-1:]
    return make.graph("dense", values=False)

"""One spelling for convolution, embedding, pooling and dropout."""

from __future__ import annotations

from typing import Any

from torch import fx

from gmn_fx.ir.edit import arguments, emit
from gmn_fx_passes.spelling.common import (
    Rewrite,
    aten,
    rank,
    respell,
    step,
    table_decorator,
)

TABLE: dict[Any, Rewrite] = {}
GETITEM: dict[Any, Rewrite] = {}
rewrites = table_decorator(TABLE)
rewrites_result = table_decorator(GETITEM)


@rewrites(
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "convolution", "_convolution", "_convolution_mode",
)  # fmt: skip
def _convolution(node: fx.Node) -> fx.Node | None:
    """Every convolution is `convolution` with all of its arguments written out."""
    given = arguments(node)
    source = given["input"] if "input" in given else given["self"]
    spatial = rank(given["weight"]) - 2
    batched = rank(source) == spatial + 2
    if not batched:
        source = step(node, aten.unsqueeze.default, source, 0)
    stride, dilation = (_widths(given[k], spatial) for k in ("stride", "dilation"))
    padding = given["padding"]
    if isinstance(padding, str):
        source, padding = _named_padding(node, source, given["weight"], padding, dilation)
    name = node.target._schema.name  # type: ignore[union-attr]
    full = (
        source, given["weight"], given.get("bias"), stride, _widths(padding, spatial), dilation,
        given.get("transposed", "transpose" in name),
        _widths(given.get("output_padding", 0), spatial), given["groups"],
    )  # fmt: skip
    if batched:
        return respell(node, aten.convolution.default, full)
    return step(node, aten.squeeze.dims, step(node, aten.convolution.default, *full), [0])


def _widths(value: Any, spatial: int) -> list[int]:
    """One number for each spatial axis."""
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * spatial if len(numbers) == 1 else numbers


def _named_padding(
    node: fx.Node, source: fx.Node, weight: fx.Node, padding: str, dilation: list[int]
) -> tuple[fx.Node, list[int]]:
    """Numbers for "same" and "valid"; what is uneven in "same" is padded beforehand, at the end."""
    kernel = [int(n) for n in weight.meta["val"].shape[2:]]
    if padding == "valid":
        return source, [0] * len(kernel)
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(t % 2 for t in totals):
        extra = [n for t in reversed(totals) for n in (0, t % 2)]
        source = step(node, aten.constant_pad_nd.default, source, extra, 0)
    return source, [t // 2 for t in totals]


@rewrites("embedding")
def _embedding(node: fx.Node) -> fx.Node | None:
    """A table and indices; the other arguments concern gradients only."""
    return respell(node, aten.embedding.default, node.args[:2])


@rewrites("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def _dropout(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    idle = not given["train"] or given["p"] == 0
    return given["input"] if idle else None


@rewrites("rrelu", "rrelu_with_noise")
def _rrelu(node: fx.Node) -> fx.Node | None:
    """In evaluation the random slope is its mean."""
    given = arguments(node)
    if given["training"]:
        return None
    slope = (given["lower"] + given["upper"]) / 2
    return respell(node, aten.leaky_relu.default, (given["self"], slope))


@rewrites_result("native_dropout")
def _native_dropout(node: fx.Node) -> fx.Node | None:
    whole, index = node.args
    assert isinstance(whole, fx.Node)
    given = arguments(whole)
    idle = given["train"] is False or given["p"] == 0
    return given["input"] if index == 0 and idle else None


@rewrites_result("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool1d_with_indices")
def _max_pool(node: fx.Node) -> fx.Node | None:
    """The values of a max pool, where nobody asks for the positions."""
    whole, index = node.args
    assert isinstance(whole, fx.Node)
    if index != 0:
        return None
    name = whole.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    target = getattr(aten, name.removesuffix("_with_indices")).default
    return emit(node.graph, target, whole.args, whole.kwargs, like=node, val=node.meta["val"])

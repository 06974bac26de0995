"""One spelling for sums, products, matrix products and reductions."""

from __future__ import annotations

from typing import Any

from torch import fx

from gmn_fx.ir import ops
from gmn_fx.ir.edit import arguments, bind_arguments, emit, shape_of
from gmn_fx_passes.spelling.common import (
    Rewrite,
    aten,
    dtype_of,
    rank,
    respell,
    step,
    table_decorator,
    wrap,
    wrap_all,
)

TABLE: dict[Any, Rewrite] = {}
GETITEM: dict[Any, Rewrite] = {}
rewrites = table_decorator(TABLE)
rewrites_result = table_decorator(GETITEM)

ALIASES = {
    "multiply": "mul", "subtract": "sub", "divide": "div", "true_divide": "div", "concat": "cat",
    "concatenate": "cat", "absolute": "abs", "negative": "neg", "clip": "clamp", "fix": "trunc",
    "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
    "special_expit": "sigmoid", "special_softmax": "softmax", "special_log_softmax": "log_softmax",
    "special_erf": "erf", "special_expm1": "expm1", "special_log1p": "log1p",
    "special_exp2": "exp2", "special_logsumexp": "logsumexp", "arccos": "acos", "arcsin": "asin",
    "arctan": "atan", "arctan2": "atan2", "arccosh": "acosh", "arcsinh": "asinh",
    "arctanh": "atanh", "_unsafe_index": "index", "row_stack": "vstack", "ger": "outer",
}  # fmt: skip
"""Second names of ops, with the same overloads and arguments."""


def _alias(node: fx.Node) -> fx.Node | None:
    name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    packet = getattr(aten, ALIASES[name])
    overload = getattr(packet, node.target._overloadname, None)  # type: ignore[union-attr]
    return None if overload is None else respell(node, overload, node.args, node.kwargs)


rewrites(*ALIASES)(_alias)


def _scaled(node: fx.Node, value: Any, factor: Any) -> Any:
    """`value * factor`, where either may be a number."""
    if factor == 1:
        return value
    return step(node, aten.mul.Tensor, value, factor) if _is_node(value) else value * factor


@rewrites("_grouped_mm")
def grouped_mm(node: fx.Node) -> fx.Node | None:
    """Only the form of a mixture of experts: a matrix of rows, a stack of weights, no bias."""
    bound = bind_arguments(node.target, node.args, node.kwargs)
    x, w, ends = (bound.get(name) for name in ("self", "mat2", "offs"))
    if ends is None or bound.get("bias") is not None or rank(x) != 2 or rank(w) != 3:  # type: ignore[arg-type]
        return None
    return emit(node.graph, ops.grouped_mm, (x, w, ends), {}, like=node, val=node.meta["val"])


def _is_node(value: Any) -> bool:
    return isinstance(value, fx.Node)


@rewrites("add.Tensor", "add.Scalar", "sub.Tensor", "sub.Scalar")
def _add(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    name = node.target._schema.name  # type: ignore[union-attr]
    target = aten.add.Tensor if name == "aten::add" else aten.sub.Tensor
    return respell(node, target, (given["self"], _scaled(node, given["other"], given["alpha"])))


@rewrites("max.other", "min.other", "__and__.Tensor", "__or__.Tensor", "__xor__.Tensor")
def _operator(node: fx.Node) -> fx.Node | None:
    """Names that Python or an overload gives to an op that has one of its own."""
    name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    if name in ("max", "min"):
        return respell(node, getattr(aten, f"{name}imum").default, node.args)
    return respell(node, getattr(aten, f"bitwise_{name.strip('_')}").Tensor, node.args)


@rewrites("rsub")
def _rsub(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    left = _scaled(node, given["self"], given["alpha"])
    return respell(node, aten.sub.Tensor, (given["other"], left))


@rewrites("mul.Scalar", "div.Scalar")
def _scalar(node: fx.Node) -> fx.Node | None:
    name = node.target._schema.name  # type: ignore[union-attr]
    return respell(node, aten.mul.Tensor if name == "aten::mul" else aten.div.Tensor, node.args)


@rewrites("addcmul", "addcdiv")
def _addc(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    name = node.target._schema.name  # type: ignore[union-attr]
    join = aten.mul.Tensor if name == "aten::addcmul" else aten.div.Tensor
    term = step(node, join, given["tensor1"], given["tensor2"])
    return respell(node, aten.add.Tensor, (given["self"], _scaled(node, term, given["value"])))


@rewrites("lerp")
def _lerp(node: fx.Node) -> fx.Node | None:
    """`a + w * (b - a)`."""
    start, end, weight = node.args
    far = step(node, aten.sub.Tensor, end, start)
    return respell(node, aten.add.Tensor, (start, step(node, aten.mul.Tensor, far, weight)))


@rewrites("glu")
def _glu(node: fx.Node) -> fx.Node | None:
    """The first half, times the sigmoid of the second."""
    given = arguments(node)
    source = given["self"]
    dim = wrap(given["dim"], rank(source))
    size = shape_of(source)[dim]
    value = step(node, aten.slice.Tensor, source, dim, 0, size // 2)
    gate = step(node, aten.slice.Tensor, source, dim, size // 2, size)
    return respell(node, aten.mul.Tensor, (value, step(node, aten.sigmoid.default, gate)))


@rewrites("mm", "bmm", "mv", "dot", "vdot", "inner", "linalg_matmul")
def _matmul(node: fx.Node) -> fx.Node | None:
    left, right = node.args[:2]
    assert isinstance(left, fx.Node)
    assert isinstance(right, fx.Node)
    if dtype_of(node).is_complex or dtype_of(left) != dtype_of(node):
        return None
    if node.target is aten.inner.default:
        if not rank(left) or not rank(right):
            return respell(node, aten.mul.Tensor, (left, right))
        if rank(right) > 2:
            return None
        if rank(right) == 2:
            right = step(node, aten.permute.default, right, [1, 0])
    return respell(node, aten.matmul.default, (left, right))


@rewrites("outer")
def _outer(node: fx.Node) -> fx.Node | None:
    column = step(node, aten.unsqueeze.default, node.args[0], 1)
    row = step(node, aten.unsqueeze.default, node.args[1], 0)
    return respell(node, aten.mul.Tensor, (column, row))


@rewrites("addmm", "baddbmm", "addmv", "addbmm", "addr")
def _addmm(node: fx.Node) -> fx.Node | None:
    """A product and a sum; the sum's other operand is often a bias."""
    given = arguments(node)
    name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    _, left, right = node.args[:3]
    if name == "addr":
        column = step(node, aten.unsqueeze.default, left, 1)
        row = step(node, aten.unsqueeze.default, right, 0)
        product = step(node, aten.mul.Tensor, column, row)
    else:
        product = step(node, aten.matmul.default, left, right)
    if name == "addbmm":
        product = step(node, aten.sum.dim_IntList, product, [0])
    product = _scaled(node, product, given.get("alpha", 1))
    other = _scaled(node, given["self"], given.get("beta", 1))
    if given.get("beta", 1) == 0:  # then `self` is not read, not even its NaNs
        return product if shape_of(product) == shape_of(node) else None
    return respell(node, aten.add.Tensor, (product, other))


@rewrites("_softmax", "softmax.int", "_log_softmax", "log_softmax.int")
def _softmax(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    source = given["self"]
    name = node.target._schema.name  # type: ignore[union-attr]
    target = aten.log_softmax.int if "log" in name else aten.softmax.int
    if dtype_of(source) != dtype_of(node):
        source = step(node, aten._to_copy.default, source, dtype=dtype_of(node))
    return respell(node, target, (source, given["dim"]))


_REDUCTIONS = {"sum": "dim_IntList", "mean": "dim", "amax": "default", "amin": "default"}


@rewrites(
    "sum.default", "sum.dim_IntList", "mean.default", "mean.dim", "amax", "amin",
    "max.default", "min.default",
)  # fmt: skip
def _reduction(node: fx.Node) -> fx.Node | None:
    """Reductions name their axes."""
    given = arguments(node)
    source = given["self"]
    name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    name = {"max": "amax", "min": "amin"}.get(name, name)
    target = getattr(getattr(aten, name), _REDUCTIONS[name])
    if rank(source) == 0 and dtype_of(source) == dtype_of(node):
        return source  # type: ignore[no-any-return]
    dims = sorted(wrap_all(given.get("dim"), rank(source)))
    named = {"dtype": given["dtype"]} if given.get("dtype") is not None else {}
    return respell(node, target, (source, dims, given.get("keepdim", False)), named)


@rewrites("var.default", "var.dim", "var.correction", "std.default", "std.dim", "std.correction")
def _variance(node: fx.Node) -> fx.Node | None:
    given = arguments(node)
    name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    target = getattr(aten, name).correction
    dims = sorted(wrap_all(given.get("dim"), rank(given["self"])))
    named = {"correction": _correction(given), "keepdim": given.get("keepdim", False)}
    return respell(node, target, (given["self"], dims), named)


def _correction(given: dict[str, Any]) -> Any:
    if "unbiased" in given:
        return int(given["unbiased"])
    return 1 if given.get("correction") is None else given["correction"]


@rewrites_result("var_mean", "std_mean")
def _moments(node: fx.Node) -> fx.Node | None:
    whole, index = node.args
    assert isinstance(whole, fx.Node)
    given = arguments(whole)
    name = whole.target._schema.name.removeprefix("aten::")[:3]  # type: ignore[union-attr]
    dims = sorted(wrap_all(given.get("dim"), rank(given["self"])))
    keep = given.get("keepdim", False)
    if index == 1:
        return respell(node, aten.mean.dim, (given["self"], dims, keep))
    named = {"correction": _correction(given), "keepdim": keep}
    return respell(node, getattr(aten, name).correction, (given["self"], dims), named)


@rewrites_result("max.dim", "min.dim")
def _extreme(node: fx.Node) -> fx.Node | None:
    """The values (not the positions) of a maximum along an axis."""
    whole, index = node.args
    assert isinstance(whole, fx.Node)
    given = arguments(whole)
    if index != 0:
        return None
    target = aten.amax.default if whole.target is aten.max.dim else aten.amin.default
    dims = [wrap(given["dim"], rank(given["self"]))]
    return respell(node, target, (given["self"], dims, given["keepdim"]))

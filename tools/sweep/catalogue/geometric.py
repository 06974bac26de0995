"""`torch_geometric`: its models, stacks of its convolutions, and heads that pool.

The size is the number of nodes of a graph; the graph is an input of the network. Only what needs
no compiled extension (`pyg-lib`, `torch-cluster`) is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.case import Case, Sample

IN, HIDDEN, OUT = 5, 8, 3  # channels of nodes
EDGE = 4  # channels of edges
RELATIONS = 3

Options = Mapping[str, Any]


def pyg(name: str) -> Any:
    """A class or function of `torch_geometric.nn`, or of one of its parts as `part.name`."""
    path, _, last = f"torch_geometric.nn.{name}".rpartition(".")
    return getattr(import_module(path), last)


def edges(nodes: int, graphs: int = 1) -> Tensor:
    """Rings, each with two chords that make the degrees differ; both ways, sorted by target."""
    here = [(i, (i + 1) % nodes) for i in range(nodes)] + [(0, nodes // 2), (0, nodes // 2 + 1)]
    one = torch.tensor(sorted((b, a) for pair in here for a, b in (pair, pair[::-1]))).T.flip(0)
    return torch.cat([one + nodes * graph for graph in range(graphs)], dim=1)


def mlp(*widths: int) -> nn.Sequential:
    """A perceptron, for the convolutions that take one."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


# What a layer may take besides the nodes and the edges, given the number of edges.
_EXTRAS: dict[str, Callable[[int], Tensor]] = {
    "weight": torch.rand,
    "features": lambda n: torch.randn(n, EDGE),
    "coordinates": lambda n: torch.rand(n, 2),
    "type": lambda n: torch.randint(0, RELATIONS, (n,)),
}


class Stack(nn.Module):
    """Convolutions with ReLU between them; what is known of the edges goes into each."""

    def __init__(self, *convolutions: nn.Module) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)

    def forward(self, x: Tensor, edge_index: Tensor, *edge: Tensor) -> Tensor:
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x.relu() if number else x, edge_index, *edge)
        return x


# --- two layers of a convolution that maps channels to channels ------------------------------
# name -> class, options, how many times wider the output is than asked for, extra input
_LAYERS: dict[str, tuple[str, Options, int, str | None]] = {
    "gcn-conv": ("GCNConv", dict(improved=True), 1, "weight"),
    "gat-conv": ("GATConv", dict(heads=2, edge_dim=EDGE), 2, "features"),
    "gat-conv-mean": ("GATConv", dict(heads=2, concat=False, residual=True), 1, None),
    "gatv2-conv": ("GATv2Conv", dict(heads=2, edge_dim=EDGE, share_weights=True), 2, "features"),
    "supergat-conv": ("SuperGATConv", dict(heads=2, attention_type="MX"), 2, None),
    "sage-conv": ("SAGEConv", dict(normalize=True, project=True), 1, None),
    "sage-conv-max": ("SAGEConv", dict(aggr="max"), 1, None),
    "sage-conv-lstm": ("SAGEConv", dict(aggr="lstm"), 1, None),
    "graph-conv": ("GraphConv", dict(aggr="mean"), 1, "weight"),
    "cheb-conv": ("ChebConv", dict(K=3), 1, None),
    "sg-conv": ("SGConv", dict(K=2), 1, None),
    "ssg-conv": ("SSGConv", dict(K=2, alpha=0.1), 1, None),
    "tag-conv": ("TAGConv", dict(K=2), 1, "weight"),
    "arma-conv": ("ARMAConv", dict(num_stacks=2, num_layers=2), 1, None),
    "arma-conv-shared": ("ARMAConv", dict(num_layers=3, shared_weights=True), 1, None),
    "mixhop-conv": ("MixHopConv", dict(powers=[0, 1, 2]), 3, None),
    "cluster-gcn-conv": ("ClusterGCNConv", dict(diag_lambda=0.1), 1, None),
    "transformer-conv": ("TransformerConv", dict(heads=2, beta=True, edge_dim=EDGE), 2, "features"),
    "res-gated-conv": ("ResGatedGraphConv", dict(edge_dim=EDGE), 1, "features"),
    "gen-conv": ("GENConv", dict(learn_t=True, edge_dim=EDGE, msg_norm=True), 1, "features"),
    "gen-conv-power": ("GENConv", dict(aggr="powermean", learn_p=True), 1, None),
    "general-conv": ("GeneralConv", dict(heads=2, attention=True, in_edge_channels=EDGE), 1,
                     "features"),
    "pdn-conv": ("PDNConv", dict(edge_dim=EDGE, hidden_channels=6), 1, "features"),
    "feast-conv": ("FeaStConv", dict(heads=3), 1, None),
    "le-conv": ("LEConv", {}, 1, "weight"),
    "mf-conv": ("MFConv", dict(max_degree=4), 1, None),
    "eg-conv": ("EGConv", dict(aggregators=["sum", "max"], num_heads=1, num_bases=3), 1, None),
    "film-conv": ("FiLMConv", dict(num_relations=RELATIONS), 1, "type"),
    "rgcn-conv": ("RGCNConv", dict(num_relations=RELATIONS), 1, "type"),
    "rgcn-conv-bases": ("RGCNConv", dict(num_relations=RELATIONS, num_bases=2), 1, "type"),
    "rgat-conv": ("RGATConv", dict(num_relations=RELATIONS, heads=2), 2, "type"),
    "gmm-conv": ("GMMConv", dict(dim=2, kernel_size=3), 1, "coordinates"),
    "hypergraph-conv": ("HypergraphConv", {}, 1, None),
}  # fmt: skip

# --- convolutions built by hand: name -> layers, extra input ----------------------------------
_STACKS: dict[str, tuple[Callable[[], list[nn.Module]], str | None]] = {
    "gin-conv": (lambda: [pyg("GINConv")(mlp(IN, HIDDEN, HIDDEN), train_eps=True),
                          pyg("GINConv")(mlp(HIDDEN, 6, OUT))], None),
    "gine-conv": (lambda: [pyg("GINEConv")(mlp(IN, HIDDEN, HIDDEN), edge_dim=EDGE),
                           pyg("GINEConv")(mlp(HIDDEN, 6, OUT), edge_dim=EDGE)], "features"),
    "edge-conv": (lambda: [pyg("EdgeConv")(mlp(2 * IN, 6, HIDDEN)),
                           pyg("EdgeConv")(mlp(2 * HIDDEN, 6, OUT), aggr="mean")], None),
    "nn-conv": (lambda: [pyg("NNConv")(IN, HIDDEN, mlp(EDGE, 6, IN * HIDDEN)),
                         pyg("NNConv")(HIDDEN, OUT, mlp(EDGE, 6, HIDDEN * OUT))], "features"),
    "cg-conv": (lambda: [pyg("CGConv")(IN, EDGE, batch_norm=True), pyg("CGConv")(IN, EDGE)],
                "features"),
    "gated-conv": (lambda: [pyg("GatedGraphConv")(HIDDEN, 3), pyg("SAGEConv")(HIDDEN, OUT)], None),
    "agnn-conv": (lambda: [pyg("AGNNConv")(), pyg("SAGEConv")(IN, OUT)], None),
    "appnp": (lambda: [pyg("GCNConv")(IN, OUT), pyg("APPNP")(K=3, alpha=0.1)], None),
    "antisymmetric-conv": (lambda: [pyg("AntiSymmetricConv")(IN, num_iters=2)], None),
    "dir-conv": (lambda: [pyg("DirGNNConv")(pyg("GATConv")(IN, HIDDEN, add_self_loops=False)),
                          pyg("DirGNNConv")(pyg("SAGEConv")(HIDDEN, OUT))], None),
    "gps-conv": (lambda: [pyg("GPSConv")(HIDDEN, pyg("GINConv")(mlp(HIDDEN, 6, HIDDEN)), heads=2),
                          pyg("SAGEConv")(HIDDEN, OUT)], None),
    "gps-conv-performer": (lambda: [
        pyg("GPSConv")(HIDDEN, pyg("GCNConv")(HIDDEN, HIDDEN), heads=2, attn_type="performer"),
        pyg("SAGEConv")(HIDDEN, OUT)], None),
    "deep-gcn": (lambda: [pyg("SAGEConv")(IN, HIDDEN), *(
        pyg("DeepGCNLayer")(pyg("GENConv")(HIDDEN, HIDDEN), pyg("LayerNorm")(HIDDEN), nn.ReLU(),
                            block=block) for block in ("res+", "res", "plain"))], None),
    "rev-gnn": (lambda: [pyg("SAGEConv")(IN, HIDDEN),
                         pyg("GroupAddRev")(pyg("SAGEConv")(4, 4), num_groups=2, disable=True)],
                None),
}  # fmt: skip


def _graph(batch: int, size: int, extra: str | None, width: int = IN) -> tuple[Tensor, ...]:
    edge_index = edges(size)
    more = (_EXTRAS[extra](edge_index.shape[1]),) if extra else ()
    return (torch.randn(size, width), edge_index, *more)


def _layers(name: str, batch: int, size: int) -> Sample:
    layer, options, wider, extra = _LAYERS[name]
    make = pyg(layer)
    first, last = make(IN, HIDDEN, **options), make(HIDDEN * wider, OUT, **options)
    for left in (module.l2 for module in (first, last) if hasattr(module, "l2")):
        nn.init.normal_(left)  # RGATConv leaves it as the memory was
    return Stack(first, last), _graph(batch, size, extra), {}


def _stack(name: str, batch: int, size: int) -> Sample:
    make, extra = _STACKS[name]
    width = HIDDEN if name.startswith(("gps", "gated")) else IN
    return Stack(*make()), _graph(batch, size, extra, width), {}


# --- whole models on nodes: name -> class, options, extra input --------------------------------
_DEEP = dict(in_channels=IN, hidden_channels=HIDDEN, num_layers=3, out_channels=OUT)
_DEGREES = dict(deg=torch.tensor([0, 0, 4, 2, 1]))
_PNA = dict(_DEEP, aggregators=["mean", "min", "max", "std"],
            scalers=["identity", "amplification", "attenuation"], **_DEGREES)  # fmt: skip
_FLAT = dict(in_channels=IN, hidden_channels=HIDDEN, out_channels=OUT)

_MODELS: dict[str, tuple[str, Options, str | None]] = {
    "gcn": ("GCN", _DEEP, "weight"),
    "gcn-jumping": ("GCN", dict(_DEEP, jk="lstm", norm="graph_norm"), None),
    "graph-sage": ("GraphSAGE", dict(_DEEP, norm="batch_norm", jk="cat"), None),
    "gin": ("GIN", dict(_DEEP, norm="layer_norm", jk="max"), None),
    "gat": ("GAT", dict(_DEEP, heads=2, act="elu"), None),
    "gatv2": ("GAT", dict(_DEEP, heads=2, v2=True, act_first=True), None),
    "pna": ("PNA", _PNA, None),
    "pna-towers": ("PNA", dict(_PNA, out_channels=None, towers=2, divide_input=False,
                               post_layers=2), None),
    "edge-cnn": ("EdgeCNN", _DEEP, None),
    "graph-unet": ("GraphUNet", dict(_FLAT, depth=2, pool_ratios=0.6), None),
    "pmlp": ("PMLP", dict(_DEEP), None),
    "rect": ("RECT_L", dict(in_channels=IN, hidden_channels=HIDDEN), None),
    "ar-link-predictor": ("models.ARLinkPredictor", _FLAT, None),
}  # fmt: skip


def _model(name: str, batch: int, size: int) -> Sample:
    cls, options, extra = _MODELS[name]
    return pyg(cls)(**options), _graph(batch, size, extra), {}


# --- models on whole graphs: nodes of several graphs side by side -----------------------------
class Pooled(nn.Module):
    """A convolution, a readout over each graph, a classifier."""

    def __init__(self, width: int, readout: Callable[..., Tensor]) -> None:
        super().__init__()
        self.convolution = pyg("GraphConv")(IN, HIDDEN)
        self.readout = readout
        self.head = nn.Linear(width, OUT)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        x = self.convolution(x, edge_index).relu()
        out: Tensor = self.head(self.readout(x, batch))
        return out


class Coarse(nn.Module):
    """A convolution, a pooling that drops nodes, a convolution, the mean over each graph."""

    def __init__(self, pooling: nn.Module) -> None:
        super().__init__()
        self.before, self.after = pyg("GraphConv")(IN, HIDDEN), pyg("GraphConv")(HIDDEN, OUT)
        self.pooling = pooling

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        x = self.before(x, edge_index).relu()
        x, edge_index, _, batch, *_ = self.pooling(x, edge_index, batch=batch)
        out: Tensor = pyg("global_mean_pool")(self.after(x, edge_index), batch)
        return out


_READOUTS: dict[str, tuple[int, Callable[[], Callable[..., Tensor]]]] = {
    "global-mean": (HIDDEN, lambda: pyg("global_mean_pool")),
    "global-max": (HIDDEN, lambda: pyg("global_max_pool")),
    "attentional": (6, lambda: pyg("AttentionalAggregation")(nn.Linear(HIDDEN, 1), mlp(HIDDEN, 6))),
    "set2set": (2 * HIDDEN, lambda: pyg("Set2Set")(HIDDEN, processing_steps=2)),
    "softmax-aggregation": (HIDDEN, lambda: pyg("SoftmaxAggregation")(learn=True, channels=HIDDEN)),
    "deep-sets": (6, lambda: pyg("DeepSetsAggregation")(mlp(HIDDEN, 7), mlp(7, 6))),
    "gru-aggregation": (6, lambda: pyg("aggr.GRUAggregation")(HIDDEN, 6)),
    "set-transformer": (HIDDEN, lambda: pyg("SetTransformerAggregation")(HIDDEN, heads=2)),
    "graph-multiset": (HIDDEN, lambda: pyg("GraphMultisetTransformer")(HIDDEN, k=3, heads=2)),
    "multi-aggregation": (3 * HIDDEN, lambda: pyg("MultiAggregation")(["mean", "std", "max"])),
    "sort-aggregation": (3 * HIDDEN, lambda: pyg("SortAggregation")(k=3)),
}  # fmt: skip

_POOLINGS: dict[str, tuple[str, Options]] = {
    "top-k-pooling": ("TopKPooling", dict(ratio=0.6)),
    "sag-pooling": ("SAGPooling", dict(ratio=0.6)),
    "asa-pooling": ("ASAPooling", dict(ratio=0.6)),
}


def _several(batch: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    which = torch.arange(batch).repeat_interleave(size)
    return torch.randn(batch * size, IN), edges(size, batch), which


def _readout(name: str, batch: int, size: int) -> Sample:
    width, make = _READOUTS[name]
    return Pooled(width, make()), _several(batch, size), {}


def _pooling(name: str, batch: int, size: int) -> Sample:
    cls, options = _POOLINGS[name]
    return Coarse(pyg(cls)(HIDDEN, **options)), _several(batch, size), {}


_GRAPH_MODELS: dict[str, tuple[str, Options]] = {
    "neural-fingerprint": ("NeuralFingerprint", dict(_DEEP, num_layers=2)),
    "sgformer": ("SGFormer", dict(_FLAT, trans_num_layers=1, trans_num_heads=2, gnn_num_layers=2)),
    "polynormer": ("Polynormer", dict(_FLAT, local_layers=2, global_layers=2)),
}


def _graph_model(name: str, batch: int, size: int) -> Sample:
    cls, options = _GRAPH_MODELS[name]
    model = pyg(cls)(**options)
    model._global = True  # Polynormer starts with its global attention switched off
    return model, _several(batch, size), {}


# --- the rest: inputs of their own ---------------------------------------------------------------
def _attentive_fp(batch: int, size: int) -> Sample:
    model = pyg("AttentiveFP")(**_FLAT, edge_dim=EDGE, num_layers=2, num_timesteps=2)
    x, edge_index, which = _several(batch, size)
    return model, (x, edge_index, torch.randn(edge_index.shape[1], EDGE), which), {}


def _schnet(batch: int, size: int) -> Sample:
    """The usual search for neighbours needs a compiled extension; the graph is given instead."""

    def interactions(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        return ring, (pos[ring[0]] - pos[ring[1]]).norm(dim=-1)

    ring = edges(size, batch)
    model = pyg("SchNet")(hidden_channels=HIDDEN, num_filters=6, num_interactions=2,
                          num_gaussians=5, interaction_graph=interactions)  # fmt: skip
    _, _, which = _several(batch, size)
    return model, (torch.randint(1, 9, which.shape), torch.randn(len(which), 3), which), {}


def _by_number(name: str, batch: int, size: int) -> Sample:
    """Models with a parameter for each node: the structure follows the number of nodes."""
    edge_index = edges(size)
    if name == "light-gcn":
        return pyg("LightGCN")(size, embedding_dim=HIDDEN, num_layers=2), (edge_index,), {}
    model = pyg("LINKX")(size, IN, HIDDEN, OUT, num_layers=2)
    return model, (torch.randn(size, IN), edge_index), {}


def _signed(batch: int, size: int) -> Sample:
    model = pyg("SignedGCN")(IN, HIDDEN, num_layers=2)
    negative = edges(size).flip(1)[:, ::2]
    return model, (torch.randn(size, IN), edges(size), negative), {}


class WithFirst(nn.Module):
    """Layers that also see the first features: GCNII and FAGCN."""

    def __init__(self, *convolutions: nn.Module) -> None:
        super().__init__()
        self.start, self.head = nn.Linear(IN, HIDDEN), nn.Linear(HIDDEN, OUT)
        self.convolutions = nn.ModuleList(convolutions)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = first = self.start(x).relu()
        for convolution in self.convolutions:
            x = convolution(x, first, edge_index).relu()
        out: Tensor = self.head(x)
        return out


def _gcn2(batch: int, size: int) -> Sample:
    layers = [pyg("GCN2Conv")(HIDDEN, 0.1, 0.5, n, shared_weights=n > 1) for n in (1, 2)]
    return WithFirst(*layers), _graph(batch, size, None), {}


def _fagcn(batch: int, size: int) -> Sample:
    return WithFirst(*(pyg("FAConv")(HIDDEN) for _ in range(2))), _graph(batch, size, None), {}


class Points(nn.Module):
    """Layers over a point cloud, whose graph is given."""

    def __init__(self, *convolutions: nn.Module) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)

    def forward(self, x: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = convolution(x, pos, edge_index)
        return x


_POINTS: dict[str, Callable[[], list[nn.Module]]] = {
    "point-net-conv": lambda: [pyg("PointNetConv")(mlp(IN + 3, 6, HIDDEN), mlp(HIDDEN, 7)),
                               pyg("PointNetConv")(mlp(7 + 3, OUT))],
    "point-transformer-conv": lambda: [
        pyg("PointTransformerConv")(IN, HIDDEN, mlp(3, 6, HIDDEN), mlp(HIDDEN, 6, HIDDEN)),
        pyg("PointTransformerConv")(HIDDEN, OUT)],
    "point-gnn-conv": lambda: [pyg("PointGNNConv")(mlp(IN, 6, 3), mlp(IN + 3, HIDDEN),
                                                   mlp(HIDDEN, 6, IN))],
}  # fmt: skip


def _points(name: str, batch: int, size: int) -> Sample:
    x, edge_index, *_ = _graph(batch, size, None)
    return Points(*_POINTS[name]()), (x, torch.randn(size, 3), edge_index), {}


# --- several types of nodes -------------------------------------------------------------------
_TYPES = {"paper": IN, "author": IN + 1}
_LINKS = [("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "by", "author")]
_METADATA = (list(_TYPES), _LINKS)

_TYPED: dict[str, Callable[[], nn.Module]] = {
    "hgt-conv": lambda: pyg("HGTConv")(_TYPES, HIDDEN, _METADATA, heads=2),
    "han-conv": lambda: pyg("HANConv")(_TYPES, HIDDEN, _METADATA, heads=2),
    "hetero-conv": lambda: pyg("HeteroConv")({
        link: pyg("SAGEConv")((_TYPES[link[0]], _TYPES[link[2]]), HIDDEN) for link in _LINKS}),
}  # fmt: skip


def _typed(name: str, batch: int, size: int) -> Sample:
    nodes = {kind: torch.randn(size, width) for kind, width in _TYPES.items()}
    return _TYPED[name](), (nodes, {link: edges(size) for link in _LINKS}), {}


def _cases(build: Callable[..., Sample], names: Any, *, batched: bool = False) -> list[Case]:
    return [Case(f"torch-geometric/{name}", partial(build, name), 8, 11, batched) for name in names]


CASES: tuple[Case, ...] = (
    *_cases(_model, _MODELS),
    *_cases(_layers, _LAYERS),
    *_cases(_stack, _STACKS),
    *_cases(_points, _POINTS),
    *_cases(_typed, _TYPED),
    *_cases(_readout, _READOUTS, batched=True),
    *_cases(_pooling, _POOLINGS, batched=True),
    *_cases(_graph_model, _GRAPH_MODELS, batched=True),
    Case("torch-geometric/attentive-fp", _attentive_fp, resized=11),
    Case("torch-geometric/schnet", _schnet, resized=11),
    Case("torch-geometric/light-gcn", partial(_by_number, "light-gcn"), batched=False),
    Case("torch-geometric/linkx", partial(_by_number, "linkx"), batched=False),
    Case("torch-geometric/signed-gcn", _signed, resized=11, batched=False),
    Case("torch-geometric/gcn2", _gcn2, resized=11, batched=False),
    Case("torch-geometric/fagcn", _fagcn, resized=11, batched=False),
)

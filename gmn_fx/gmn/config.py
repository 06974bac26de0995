"""What a graph metanetwork is made of: its hyperparameters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from gmn_fx.errors import UsageError

Aggregation = Literal["sum", "mean", "fan_in"]
Directions = Literal["forward", "both"]
Norm = Literal["none", "pre", "inside"]
ActivationName = Literal["relu", "gelu", "silu", "tanh", "square"]
Unseen = Literal["error", "other"]
_CHOICES = {
    "aggregation": get_args(Aggregation), "directions": get_args(Directions),
    "norm": get_args(Norm), "activation": get_args(ActivationName), "unseen": get_args(Unseen),
    "edge_activation": get_args(ActivationName),
}  # fmt: skip
_SAME = ("edge_activation", None)


@dataclass(frozen=True)
class GMNConfig:
    """Hyperparameters of a graph metanetwork (Lim et al., ICLR 2024, section 3).

    hidden: width d of the states of nodes, edges and of u, and of every hidden layer.
    layers: rounds of message passing.
    aggregation: "sum" (the paper; over constants, the typical numbers of terms, see `Sizes`),
        "mean", or "fan_in": the mean of messages about values that are multiplied by the fan-in of
        their target neuron, so that a metanet trained on narrow networks can be used on wide ones
        (Ma et al., 2026).
    directions: "forward": messages follow the edges. "both": they also go against them, through a
        matrix of their own (the direction feature); an edge keeps one state.
    residual: the updates of nodes and of u are added to their states.
    norm: "pre": LayerNorm on the states that a layer reads; "inside": on the hidden layer of every
        MLP; "none".
    activation: of every MLP. "square" makes products exact ((a + b)^2 - (a - b)^2 = 4 a b).
    edge_activation: of the edge MLP, if it is another one.
    dropout: probability, on the updates of nodes.
    global_state: keep the state u of the whole graph.
    value_frequencies: features of a value w are w and, for k < value_frequencies, sin(2^k pi w) and
        cos(2^k pi w).
    unseen: what to do with a category that the vocabulary does not have: "error", or "other", an
        embedding that all such categories share.
    """

    hidden: int = 64
    layers: int = 4
    aggregation: Aggregation = "mean"
    directions: Directions = "both"
    residual: bool = True
    norm: Norm = "pre"
    activation: ActivationName = "relu"
    edge_activation: ActivationName | None = None
    dropout: float = 0.0
    global_state: bool = True
    value_frequencies: int = 0
    unseen: Unseen = "error"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices and (name, getattr(self, name)) != _SAME:
                raise UsageError(
                    f"GMNConfig.{name} = {getattr(self, name)!r} is unknown",
                    hint=f"use one of {', '.join(map(repr, choices))}",
                )
        if self.hidden < 1 or self.layers < 1 or self.value_frequencies < 0:
            raise UsageError(
                "GMNConfig needs hidden >= 1, layers >= 1 and value_frequencies >= 0",
                hint=f"got {self.hidden}, {self.layers} and {self.value_frequencies}",
            )
        if not 0 <= self.dropout < 1:
            raise UsageError(f"GMNConfig.dropout = {self.dropout} is not in [0, 1)")

    @property
    def on_edges(self) -> ActivationName:
        """The activation of the edge MLP."""
        return self.edge_activation or self.activation

    @property
    def value_features(self) -> int:
        """Number of features of a value."""
        return 1 + 2 * self.value_frequencies

    def to_json(self) -> str:
        """One JSON object, in the order of the fields."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> GMNConfig:
        """What `to_json` wrote; UsageError for anything else."""
        try:
            known: dict[str, Any] = json.loads(text)
            extra = known.keys() - {f.name for f in fields(cls)}
        except (ValueError, AttributeError) as error:
            raise UsageError(f"this is not the configuration of a GMN: {error}") from error
        if extra:
            raise UsageError(
                f"the configuration of a GMN has no {sorted(extra)[0]!r}",
                hint="it was written by a newer version of gmn-fx",
            )
        return cls(**known)

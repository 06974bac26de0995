"""From a model or a file to a `Program`: loading, example inputs, weights, capture."""

from gmn_fx.capture.inputs import Inputs, infer_inputs, parse_input
from gmn_fx.capture.ladder import RUNGS, capture, describe
from gmn_fx.capture.target import Loaded, load_target
from gmn_fx.capture.weights import WeightReport, load_weights

__all__ = [
    "RUNGS",
    "Inputs",
    "Loaded",
    "WeightReport",
    "capture",
    "describe",
    "infer_inputs",
    "load_target",
    "load_weights",
    "parse_input",
]

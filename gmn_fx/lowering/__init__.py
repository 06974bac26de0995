"""The lowering engine: programs run on neuron ids (DESIGN section 3)."""

from gmn_fx.lowering.build import build
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.contract import Axes, contract
from gmn_fx.lowering.values import Act, Const, Par, Value

__all__ = ["Act", "Axes", "Builder", "Const", "Par", "Value", "build", "contract"]

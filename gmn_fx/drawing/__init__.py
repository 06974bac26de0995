"""Pictures of parameter graphs: an architecture overview of any size, neurons of small ones."""

from gmn_fx.drawing.neurons import choose_view
from gmn_fx.drawing.picture import View, draw, to_dot

__all__ = ["View", "choose_view", "draw", "to_dot"]

"""The neuron and hybrid views: a dot a neuron, a stroke an edge, in layers of our own."""

from gmn_fx.drawing.neurons.limits import check_size, choose_view, facts, size_of
from gmn_fx.drawing.neurons.parts import Scene
from gmn_fx.drawing.neurons.scene import scene_of
from gmn_fx.drawing.neurons.shown import Shown, all_shown, ends_shown
from gmn_fx.drawing.neurons.writedot import write_dot
from gmn_fx.drawing.neurons.writesvg import write_svg

__all__ = [
    "Scene",
    "Shown",
    "all_shown",
    "check_size",
    "choose_view",
    "ends_shown",
    "facts",
    "scene_of",
    "size_of",
    "write_dot",
    "write_svg",
]

"""What differs between two parameter graphs, as data, as a picture and as a page."""

from gmn_fx.drawing.compare.comparison import Comparison, Row, compare
from gmn_fx.drawing.compare.draw import draw_comparison
from gmn_fx.drawing.compare.picture import warnings_of

__all__ = ["Comparison", "Row", "compare", "draw_comparison", "warnings_of"]

"""What differs between two parameter graphs, as data and as a picture."""

from gmn_fx.drawing.compare.comparison import Comparison, Row, compare
from gmn_fx.drawing.compare.picture import draw_comparison, warnings_of

__all__ = ["Comparison", "Row", "compare", "draw_comparison", "warnings_of"]

"""What differs between two parameter graphs, as data and as a picture."""

from gmn_fx.drawing.compare.comparison import Comparison, Row, compare

__all__ = ["Comparison", "Row", "compare"]

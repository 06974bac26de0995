"""The explorer: one HTML file in which a graph can be searched, unfolded and looked into."""

from gmn_fx.drawing.explorer.page import explorer_html

__all__ = ["explorer_html"]

"""Low-rank layers, and the plug-in that lets gmn-fx read them."""

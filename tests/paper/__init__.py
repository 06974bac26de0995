"""The construction of Lim et al. (`style="paper"`)."""

"""The shipped passes and lowering rules of gmn-fx.

Importing this package registers them: each file adds its pass or rules to `plugin`.
"""

from gmn_fx_passes import (
    canonicalise,
    collapse_weight_sharing,
    flatten_sums,
    fold_identities,
    insert_bias_nodes,
    lower_attention,
    lower_norm,
    lower_recurrent,
    lower_residual,
    number_layers,
    rules,
)
from gmn_fx_passes.plugin import plugin

__all__ = [
    "canonicalise",
    "collapse_weight_sharing",
    "flatten_sums",
    "fold_identities",
    "insert_bias_nodes",
    "lower_attention",
    "lower_norm",
    "lower_recurrent",
    "lower_residual",
    "number_layers",
    "plugin",
    "rules",
]

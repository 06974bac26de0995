"""The shipped passes and lowering rules of gmn-fx.

Importing this package registers them: each file adds its pass or rules to `plugin`.
"""

from gmn_fx_passes import (
    canonicalise,
    collapse_weight_sharing,
    flatten_sums,
    fold_identities,
    forget_functions,
    forget_histories,
    insert_bias_nodes,
    join_norms,
    join_products,
    join_sums,
    lower_attention,
    lower_norm,
    lower_recurrent,
    lower_residual,
    number_layers,
    part_parallel_edges,
    raise_attention,
    raise_norms,
    rules,
)
from gmn_fx_passes.plugin import plugin

__all__ = [
    "canonicalise",
    "collapse_weight_sharing",
    "flatten_sums",
    "fold_identities",
    "forget_functions",
    "forget_histories",
    "insert_bias_nodes",
    "join_norms",
    "join_products",
    "join_sums",
    "lower_attention",
    "lower_norm",
    "lower_recurrent",
    "lower_residual",
    "number_layers",
    "part_parallel_edges",
    "plugin",
    "raise_attention",
    "raise_norms",
    "rules",
]

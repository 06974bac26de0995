"""The bag that every shipped pass and lowering rule registers into."""

from gmn_fx.registry.plugin import Plugin

plugin = Plugin("gmn-fx")

plugin.pipelines["exact"] = (
    "canonicalise,lower-norm,lower-attention,lower-recurrent,lower-residual,insert-bias-nodes,"
    "collapse-weight-sharing,fold-identities,flatten-sums,number-layers"
)
plugin.pipelines["paper"] = (
    "canonicalise,lower-norm,lower-attention,lower-recurrent,insert-bias-nodes,"
    "raise-norms,join-norms,join-sums,join-products,forget-functions,raise-attention,part-parallel-edges,"
    "collapse-weight-sharing,fold-identities,flatten-sums,forget-histories,number-layers"
)

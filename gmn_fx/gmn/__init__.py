"""Graph metanetworks on parameter graphs: one set of weights, exact executors of any size.

vocabulary = Vocabulary.fit(graphs)
model = InvariantGMN(GMNConfig(hidden=64, layers=4), vocabulary, out_features=1)
prediction = model(graphs)                       # [number of graphs, 1]
"""

from gmn_fx.gmn.batch import Buckets, GraphBatch, buckets
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.conv import GMNConv
from gmn_fx.gmn.files import load_gmn, save_gmn
from gmn_fx.gmn.heads import EquivariantGMN, InvariantGMN, NodeGMN, Updates
from gmn_fx.gmn.loading import collate
from gmn_fx.gmn.model import GMN
from gmn_fx.gmn.states import States
from gmn_fx.gmn.vocabulary import Vocabulary

__all__ = [
    "GMN", "Buckets", "EquivariantGMN", "GMNConfig", "GMNConv", "GraphBatch", "InvariantGMN",
    "NodeGMN", "States", "Updates", "Vocabulary", "buckets", "collate", "load_gmn", "save_gmn",
]  # fmt: skip

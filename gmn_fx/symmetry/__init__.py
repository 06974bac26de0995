"""The oracle: symmetries of a parameter graph, and the proof that they are the network's."""

from gmn_fx.symmetry.exchange import node_orbits
from gmn_fx.symmetry.orbits import OrbitRow
from gmn_fx.symmetry.report import ColumnControl, Culprit, OracleReport, SlotControl, Trial
from gmn_fx.symmetry.run import verify

__all__ = [
    "ColumnControl",
    "Culprit",
    "OracleReport",
    "OrbitRow",
    "SlotControl",
    "Trial",
    "node_orbits",
    "verify",
]

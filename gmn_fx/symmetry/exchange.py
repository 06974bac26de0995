"""Which neurons may be exchanged: orbits of the nodes under sampled automorphisms."""

from __future__ import annotations

import numpy as np

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.symmetry.automorphism import Symmetry, random_automorphism, sampled_orbits
from gmn_fx.symmetry.typed import Array, columns_of, typed_graph


def node_orbits(graph: ParameterGraph, *, draws: int = 12, seed: int = 0) -> Array:
    """Orbits of the nodes: [nodes] int64, equal numbers for nodes that some symmetry exchanges.

    What is said to be exchangeable is (each automorphism was checked); two orbits that no sample
    joined may still be one. Sampling ends as soon as the stable colouring proves that none can be.

    Args:
        graph: a graph without equalities.
        draws: most automorphisms to sample.
        seed: of the samples.
    """
    symmetry = Symmetry.of(typed_graph(columns_of(graph)))
    rng = np.random.default_rng(seed)
    maps: list[Array] = []
    orbits = np.arange(graph.num_nodes)
    classes = len(np.unique(symmetry.node_colour))
    for _ in range(draws):
        found = random_automorphism(symmetry, rng, stir=True)
        if found is None:
            break
        maps.append(found.node)
        orbits = sampled_orbits(graph.num_nodes, maps)
        if len(np.unique(orbits)) == classes:
            break
    return orbits

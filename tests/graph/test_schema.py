from __future__ import annotations

from dataclasses import replace

import pytest

from gmn_fx.errors import GraphError
from gmn_fx.graph import schema
from gmn_fx.graph.schema import KNOWN_OPS, stable_id


def test_kinds_count_by_position():
    assert schema.node_kind_id("input") == 0
    assert schema.edge_kind_id("weight") == 0
    assert schema.edge_kind_id("opaque") == len(schema.EDGE_KINDS) - 1


def test_p7_unknown_kind_is_named_with_the_vocabulary():
    with pytest.raises(GraphError, match=r"P7: edge kind 'wieght'(.|\n)*weight"):
        schema.edge_kind_id("wieght")


def test_vocabularies_have_no_duplicates():
    for words in (schema.NODE_KINDS, schema.EDGE_KINDS, KNOWN_OPS):
        assert len(set(words)) == len(words)


def test_p5_stable_ids_never_change():
    """These numbers are in saved files: a change breaks everybody's trained embeddings."""
    assert stable_id("") == 0
    assert stable_id("linear") == KNOWN_OPS.index("linear") + 1 == 3
    assert stable_id("relu") == KNOWN_OPS.index("relu") + 1 == 56
    assert stable_id("my_op") == 2**20 + 607634478
    assert stable_id("\ud800") >= 2**20


def test_schema_of_a_graph(mlp):
    found = mlp.schema
    assert found.node_columns == ("kind", "op", "depth", "label", "pin")
    assert found.edge_columns == ("kind", "op", "depth", "label", "operand", "history")
    assert found.describe("edge", "history", stable_id("relu")) == "relu"
    assert found.describe("node", "kind", 0) == "input"
    assert found.describe("node", "depth", 4) == "4"
    assert found.describe("node", "op", 10**9) == "1000000000"


def test_collision_inside_a_graph_is_an_error(mlp, monkeypatch):
    graph = replace(mlp, histories=("", "aa", "bb"))
    monkeypatch.setattr(schema.zlib, "crc32", lambda _: 7)
    with pytest.raises(GraphError, match="same number"):
        _ = graph.schema

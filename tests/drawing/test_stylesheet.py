"""Rules of a picture's style sheet stay inside the picture: notebooks put pictures inline."""

from __future__ import annotations

import re

import pytest

from gmn_fx.drawing import draw
from tests.drawing.graphs import mlp, residual_net
from tests.drawing.pictures import SVG, parse


@pytest.mark.parametrize(
    "options",
    [
        {"view": "neuron"},
        {"view": "architecture"},
        {"view": "architecture", "other": mlp((2, 3, 1))},
    ],
    ids=["neuron", "architecture", "comparison"],
)
def test_every_rule_is_for_pictures_of_ours(options):
    root = parse(draw(residual_net(), **options))
    assert root.get("class") == "gmn-fx"
    sheets = [e.text or "" for e in root.iter(f"{SVG}style")]
    assert len(sheets) == 1
    inner = re.fullmatch(r"@media screen and \(prefers-color-scheme:dark\)\{(.*)\}", sheets[0])[1]
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", inner)
    assert len(rules) > 40
    for names in rules:
        for name in re.split(r",(?![^(]*\))", names):
            assert name.startswith(".gmn-fx "), name

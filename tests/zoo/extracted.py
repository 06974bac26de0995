"""Graphs of cases, extracted once in each process."""

from __future__ import annotations

import functools
from typing import Any

import gmn_fx
from gmn_fx.graph.model import ParameterGraph
from tests.zoo import CASES
from tests.zoo.case import Case


def extract(case: Case, **options: Any) -> ParameterGraph:
    """The graph of `case`, built anew with the given batch, size or seed."""
    model, args, kwargs = case.make(**options)
    return gmn_fx.extract(model, args, kwargs)


@functools.cache
def graph_of(name: str) -> ParameterGraph:
    """The graph of a case as it stands in the zoo."""
    return extract(CASES[name])

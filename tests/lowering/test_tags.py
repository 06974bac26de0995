"""Labels are functions "output position -> source position", so channels may be permuted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_fx.lowering import Act, Builder
from gmn_fx.lowering.movement import move
from gmn_fx.lowering.tags import edge_labels, position_labels
from tests.lowering.helpers import builder, neurons, only


def labels_of(b: Builder, x: Act, axis: int) -> list[int] | None:
    found = position_labels(x, only(x), [axis])
    return None if found is None else found.select(0, 0).reshape(-1)[: x.shape[axis]].tolist()


def test_nothing_read_twice_needs_no_label() -> None:
    b = builder()
    x = neurons(b, (2, 4), 1)
    assert position_labels(x, only(x)) is None


def test_flatten_labels_each_pixel_the_same_for_every_channel() -> None:
    b = builder()
    x = neurons(b, (2, 3, 2, 2), 1)
    flat = move(b, lambda t: t.flatten(1), x)
    assert only(flat)[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert labels_of(b, flat, 1) == [0, 1, 2, 3] * 3


def test_flatten_after_a_transpose_keeps_pixels_apart() -> None:
    b = builder()
    x = neurons(b, (2, 3, 2, 2), 1)
    flat = move(b, lambda t: t.permute(0, 2, 3, 1).flatten(1), x)
    assert only(flat)[0].tolist() == [0, 1, 2] * 4
    assert labels_of(b, flat, 1) == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3


def test_patch_merging_labels_the_place_in_the_patch_whatever_the_patch() -> None:
    b = builder()
    tokens = neurons(b, (1, 4, 4, 3), 3)

    def corners(t: torch.Tensor) -> torch.Tensor:
        parts = [t[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return torch.cat(parts, -1)

    merged = move(b, corners, tokens)
    assert merged.shape == (1, 2, 2, 12)
    found = position_labels(merged, only(merged), [3])
    assert found is not None
    assert found[0, 0, 0].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert torch.equal(found[0, 0, 0], found[0, 1, 1])  # one label a weight, not one a patch


@given(st.permutations(range(3)), st.permutations(range(4)))
@settings(max_examples=60, deadline=None)
def test_permuting_channels_permutes_ids_and_keeps_labels(
    channels: list[int], pixels: list[int]
) -> None:
    b = builder()
    x = neurons(b, (2, 3, 2, 2), 1)
    plain = move(b, lambda t: t.flatten(2)[:, :, pixels].flatten(1), x)
    mixed = move(b, lambda t: t[:, channels].flatten(2)[:, :, pixels].flatten(1), x)
    assert only(mixed)[0].tolist() == [c for c in channels for _ in range(4)]
    assert labels_of(b, mixed, 1) == labels_of(b, plain, 1) == [0, 1, 2, 3] * 3


def test_two_reads_of_the_same_place_have_one_label() -> None:
    b = builder()
    x = neurons(b, (2, 3), 1)
    twice = move(b, lambda t: torch.cat([t, t], 1), x)
    assert labels_of(b, twice, 1) is None  # the same function: parameters rank them, not labels


def test_shifted_reads_differ() -> None:
    b = builder()
    x = neurons(b, (2, 6, 3), 2)
    shifted = move(b, lambda t: torch.cat([t[:, :-1], t[:, 1:]], -1), x)
    found = position_labels(shifted, only(shifted), [2])
    assert found is not None
    assert found[0, 0].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("edges", "labels", "expected"),
    [
        ([0, 0, 1, 1], [0, 1, 1, 0], None),  # both read {0, 1}
        ([0, 0, 1, 1], [0, 1, 1, 2], [0, 1]),
        ([0, 1, 2], [5, 4, 5], [0, 1, 0]),
        ([0, 0, 1], [0, 0, 0], None),  # how often does not matter
    ],
)
def test_edges_over_many_positions_are_told_apart_by_the_set(
    edges: list[int], labels: list[int], expected: list[int] | None
) -> None:
    found = edge_labels(np.array(edges), np.array(labels))
    assert (None if found is None else found.tolist()) == expected

"""Pairs and triplets that are formed within a batch, and the other forms of targets."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.training.losses.pairs import neighbours, pairs, triplets
from toolkit.training.losses.targets import index_lists, indicators, signs


@settings(max_examples=60, deadline=None, derandomize=True)
@given(classes=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_each_anchor_finds_the_next_of_its_class_and_of_another(classes: list[int]) -> None:
    count = len(classes)
    found = neighbours(torch.tensor(classes))
    for anchor in range(count):
        behind = [(anchor + ahead) % count for ahead in range(1, count)]
        alike = [other for other in behind if classes[other] == classes[anchor]]
        others = [other for other in behind if classes[other] != classes[anchor]]
        assert bool(found.has_positive[anchor]) == bool(alike)
        assert bool(found.has_negative[anchor]) == bool(others)
        assert not alike or int(found.positive[anchor]) == alike[0]
        assert not others or int(found.negative[anchor]) == others[0]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(classes=st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_pairs_are_of_one_class_where_their_sign_says_so(classes: list[int]) -> None:
    vectors = torch.tensor(classes, dtype=torch.float32)[:, None]
    first, second, sign, counts = pairs(vectors, torch.tensor(classes))
    assert torch.equal((first == second).flatten()[counts], (sign == 1)[counts])
    anchor, positive, negative, counts = triplets(vectors, torch.tensor(classes))
    assert torch.equal(anchor[counts], positive[counts])
    assert not (anchor[counts] == negative[counts]).any()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=st.integers(1, 6), classes=st.integers(1, 6), seed=st.integers(0, 99))
def test_labels_become_index_lists_that_end_in_minus_one(rows: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (rows, classes), generator=generator).float()
    found = index_lists(labels, torch.zeros(rows, classes))
    expected = [([c for c in range(classes) if row[c]] + [-1] * classes)[:classes] for row in labels.tolist()]
    assert found.tolist() == expected and found.dtype == torch.int64


def test_class_indices_become_one_hot_or_signs_of_the_outputs_kind() -> None:
    outputs = torch.zeros(2, 3, dtype=torch.float64)
    targets = torch.tensor([2, 0])
    assert indicators(targets, outputs).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert signs(targets, outputs).tolist() == [[-1, -1, 1], [1, -1, -1]]
    assert indicators(targets, outputs).dtype == indicators(torch.ones(2, 3), outputs).dtype == torch.float64

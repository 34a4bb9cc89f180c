"""Sequences of very different lengths are learnt, and what version 0.3 learnt stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runtime.card import SequenceInput
from runtime.errors import SpecError
from toolkit import nn
from toolkit.data.padding import padded_for
from toolkit.data.readers.sequences import load_sequences
from toolkit.data.readers.text import token_dataset
from toolkit.tasks.class_indices import IGNORED
from toolkit.training.losses.criteria import of_sequences

OLD = Path(__file__).parents[2] / "version_0_3" / "sequence.pth"
RANDOM = np.random.default_rng(0)
SEQUENCES = [RANDOM.normal(size=(3 + index % 4, 4)).astype(np.float32) for index in range(12)]


def signs(longest: int) -> tuple[list[np.ndarray], list[int]]:
    """Short sequences around -1 and +1, and one long one of zeros."""
    random = np.random.default_rng(0)
    kinds = [index % 2 for index in range(200)]
    rows = [(random.normal(size=(int(random.integers(5, 11)), 3)) * 0.3 + (1 if kind else -1)) for kind in kinds]
    return [*rows, np.zeros((longest, 3))], [*kinds, 1]


@pytest.mark.parametrize(
    "layers",
    [
        [("lstm", {"size": (3, 8), "last_step": True})],
        [
            ("permute", {"dims": (0, 2, 1)}),
            ("conv1d", {"size": (3, 8), "kernel_size": 3, "padding": 1, "activation": "relu"}),
            ("batchnorm1d", {}),
            ("global_avgpool", {}),
        ],
    ],
    ids=["recurrent", "pooled"],
)
def test_one_long_sequence_does_not_hide_the_others(layers: list[tuple[str, Any]], tmp_path: Path) -> None:
    model = nn("cls", save_fold=tmp_path)
    model.set_seed(0)
    model.load_dataset(*signs(100), batch_size=16, train_val_ratio=0.8)
    for name, options in layers:
        model.add(name, **options)
    model.add("linear", size=2, activation="softmax")
    assert model.train(epochs=8, lr=0.01, verbose=False, report=None)[-1]["val_acc"] > 0.95
    ones = [np.ones((steps, 3), np.float32) for steps in (1, 2, 10)]
    found = [model.inference([one])[0, 1] for one in ones]
    assert len(set(found)) == 3


def test_a_network_of_version_0_3_reads_loaded_data_as_it_did(tmp_path: Path) -> None:
    model = nn("cls")
    model.load(OLD)
    alone = model.inference(SEQUENCES)
    batches = model.load_dataset(SEQUENCES, [index % 3 for index in range(12)], batch_size=4)
    np.testing.assert_allclose(model.inference(batches), alone, atol=1e-6)
    assert batches.data.card.padding_mark is None
    other = nn("cls")
    fresh = other.load_dataset(SEQUENCES, [index % 3 for index in range(12)], batch_size=4)
    other.load(OLD)
    np.testing.assert_allclose(other.inference(fresh), alone, atol=1e-6)


def test_a_network_that_does_not_know_the_padding_is_not_trained_on_it(tmp_path: Path) -> None:
    model = nn("cls", save_fold=tmp_path)
    model.load_dataset(SEQUENCES, [0, 1] * 6, batch_size=4)
    model.add("lstm", size=(4, 3), last_step=True)
    model.add("linear", size=2)
    model.model.padding = None
    with pytest.raises(SpecError, match="padded with steps of NaN"):
        model.train(epochs=1, verbose=False)


def test_zero_padding_of_data() -> None:
    data = load_sequences(SEQUENCES, [0, 1] * 6)
    zeros = padded_for(data, None)
    assert padded_for(data, "nan") is data
    assert zeros.card == SequenceInput("input", 4, 6)
    rows = zeros.inputs.take(torch.tensor([0]))[0]
    assert not rows[3:].any()
    assert torch.equal(rows[:3], torch.from_numpy(SEQUENCES[0]))


def test_labels_behind_a_sequence_count_for_nothing() -> None:
    targets = load_sequences(SEQUENCES, np.ones((12, 6), int), task="dense").targets
    for sequence, row in zip(SEQUENCES, targets, strict=True):
        assert (row == IGNORED).tolist() == [step >= len(sequence) for step in range(6)]


def test_labels_behind_a_text_count_for_nothing() -> None:
    tokens = np.array([[1, 2, 0, 0], [2, 1, 2, 1]])
    data = token_dataset(tokens, np.ones((2, 4), int), ["<pad>", "a", "b"], task="dense", labels=["x", "y"])
    assert data.targets.tolist() == [[1, 1, IGNORED, IGNORED], [1, 1, 1, 1]]


def test_transcripts_are_aligned_with_the_real_steps() -> None:
    logits, targets = torch.randn(1, 6, 4), torch.tensor([[1, 2, -1]])
    loss = of_sequences(torch.nn.CTCLoss())
    padded = torch.cat([logits, torch.zeros(1, 5, 4)], dim=1)
    torch.testing.assert_close(loss(padded, targets), loss(logits, targets))

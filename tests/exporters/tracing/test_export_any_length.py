"""Ordinary networks, as their users write them, at lengths and sizes that none of the examples had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from exporters import export
from runtime.session import Session

SEQUENCE = ("batch", "length")
PICTURE = ("batch", "height", "width")


class Last(torch.nn.Module):
    """A recurrent layer and a linear one on its last step."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.core = getattr(torch.nn, kind)(4, 5, batch_first=True)
        self.head = torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.core(x)[0][:, -1])


class Packed(torch.nn.Module):
    """A two-way recurrent network over packed sequences."""

    def __init__(self, kind: str, ordered: bool, first: bool, whole: bool) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(20, 6)
        self.core = getattr(torch.nn, kind)(6, 4, num_layers=2, bidirectional=True, batch_first=first)
        self.ordered, self.first, self.whole = ordered, first, whole

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> dict[str, torch.Tensor]:
        steps = self.words(tokens) if self.first else self.words(tokens.transpose(0, 1))
        packed = pack_padded_sequence(steps, lengths, batch_first=self.first, enforce_sorted=self.ordered)
        packed = PackedSequence(packed.data * 2 + 1, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        outputs, last = self.core(packed)
        total = tokens.shape[1] if self.whole else None
        padded, counts = pad_packed_sequence(outputs, batch_first=self.first, padding_value=-1.5, total_length=total)
        last = last[0] if isinstance(last, tuple) else last
        return {
            "steps": padded if self.first else padded.transpose(0, 1),
            "counts": counts,
            "last": last.transpose(0, 1),
        }


class CellLoop(torch.nn.Module):
    """Two cells in a loop over time, one that hands on a pair, and what each step leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = torch.nn.ModuleList([torch.nn.LSTMCell(4, 5), torch.nn.GRUCell(5, 5)])
        self.head = torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = cell = state = x.new_zeros(x.shape[0], 5)
        steps = []
        for t in range(x.shape[1]):
            hidden, cell = self.cells[0](x[:, t], (hidden, cell))
            state = self.cells[1](hidden, state)
            steps.append(self.head(state) * t)
        return torch.stack(steps, dim=1), state


class Translator(torch.nn.Module):
    """A Transformer from one sequence to another, with a causal mask made in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.core = torch.nn.Transformer(4, 2, 1, 1, 8, batch_first=True)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.core(source, target, tgt_mask=torch.nn.Transformer.generate_square_subsequent_mask(target.shape[1]))


class Encoder(torch.nn.Module):
    """A Transformer encoder with a padding mask."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(20, 8, padding_idx=0)
        layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 2)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        padding = tokens == 0
        steps = self.encoder(self.words(tokens), src_key_padding_mask=padding)
        return self.head(steps.masked_fill(padding[..., None], 0).sum(1))


def convolutions() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv1d(4, 6, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool1d(3, 2, ceil_mode=True),
        torch.nn.AdaptiveMaxPool1d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(24, 3),
    )


def adaptive() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d((3, 5)), torch.nn.Flatten(), torch.nn.Linear(60, 2)
    )


def steps(rows: int, length: int) -> tuple[torch.Tensor, ...]:
    return (torch.randn(rows, length, 4),)


def channels(rows: int, length: int) -> tuple[torch.Tensor, ...]:
    return (torch.randn(rows, 4, length),)


def tokens(rows: int, length: int) -> tuple[torch.Tensor, ...]:
    found = torch.randint(1, 20, (rows, length))
    counts = torch.randint(1, length + 1, (rows,))
    return (found.masked_fill(torch.arange(length) >= counts[:, None], 0),)


def counted(rows: int, length: int) -> tuple[torch.Tensor, ...]:
    # in falling order for those that ask for it; not all of full length
    return torch.randint(0, 20, (rows, length)), torch.randint(1, length + 1, (rows,)).sort(descending=True).values


def pairs(rows: int, length: int) -> tuple[torch.Tensor, ...]:
    return torch.randn(rows, length, 4), torch.randn(rows, length // 2 + 1, 4)


def pictures(rows: int, length: int) -> tuple[torch.Tensor, ...]:
    return (torch.randn(rows, 3, length, length + 3),)


NETWORKS: dict[str, tuple[Callable[[], torch.nn.Module], Callable[[int, int], tuple[torch.Tensor, ...]], Any]] = {
    "LSTM": (lambda: Last("LSTM"), steps, SEQUENCE),
    "plain RNN": (lambda: Last("RNN"), steps, SEQUENCE),
    "two-way GRU over packed sequences": (lambda: Packed("GRU", False, True, False), counted, SEQUENCE),
    "packed LSTM, whole length": (lambda: Packed("LSTM", True, False, True), counted, SEQUENCE),
    "packed RNN, longest row": (lambda: Packed("RNN", True, True, False), counted, SEQUENCE),
    "Transformer encoder with a padding mask": (Encoder, tokens, SEQUENCE),
    "one-axis convolutions with maximum pooling": (convolutions, channels, {"input": {0: "batch", 2: "length"}}),
    "loop over cells": (CellLoop, steps, SEQUENCE),
    "Transformer from one length to another": (Translator, pairs, SEQUENCE),
    "adaptive pooling": (adaptive, pictures, PICTURE),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("name", NETWORKS)
def test_equal_to_torch_at_lengths_that_the_example_had_not(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make, inputs, dynamic = NETWORKS[name]
    module = make().eval()
    report = export(module, tmp_path / "a.onnx", example=inputs(4, 11), dynamic=dynamic, simplifier="none")
    assert report.facts["trace"]["route"] == "torch.export"
    assert len([shape for shape in report.parity.shapes if "," in shape]) >= 5
    session = Session(tmp_path / "a.onnx", "cpu")
    for rows, length in ((1, 7), (3, 8), (2, 13), (5, 20), (4, 33), (6, 50)):
        given = inputs(rows, length)
        with torch.no_grad():
            result = module(*given)
        expected = (
            list(result.values()) if isinstance(result, dict) else [result] if torch.is_tensor(result) else result
        )
        names = [tensor.name for tensor in session.inputs]
        found = session.run({key: tensor.numpy() for key, tensor in zip(names, given, strict=True)})
        for one, other in zip(expected, found.values(), strict=True):
            np.testing.assert_allclose(other, one.numpy(), atol=2e-5, rtol=1e-5)

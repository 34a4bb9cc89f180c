"""Packed sequences (`torch.nn.utils.rnn`) in a network's own forward: kept padded in the graph, where ONNX counts the lengths.

A packed sequence drops the padding, so its first axis has as many entries as there are real steps, which no graph can
declare. In the traced network `PackedSequence.data` is the padded sequence (L, N, ...) instead; `batch_sizes` is what it is
in torch, the number of rows that are longer than t, t = 0 .. (longest - 1), and the lengths are told from it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true

from exporters.tracing.forms.functions import function_form

__all__ = ["lengths_of", "packed_sequence", "padded_sequence"]


def lengths_of(data: torch.Tensor, batch_sizes: torch.Tensor) -> torch.Tensor:
    """Row lengths, (N,) int64, from padded data (L, N, ...) and batch sizes (longest,)."""
    rows = torch.arange(data.shape[1], device=batch_sizes.device)
    return (batch_sizes[:, None] > rows).sum(0)


@function_form(torch._pack_padded_sequence, symbolic=True)
def packed_sequence(input: torch.Tensor, lengths: torch.Tensor, batch_first: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Pack padded rows (N, L, ...) or (L, N, ...), lengths (N,) descending: (data, batch sizes) as above."""
    data = input.transpose(0, 1) if batch_first else input
    longest: Any = lengths.max().item()
    torch._check(longest >= 1)
    torch._check(longest <= data.shape[0])
    batch_sizes = (torch.arange(longest)[:, None] < lengths).sum(1)
    return data, batch_sizes


@function_form(torch._pad_packed_sequence, symbolic=True)
def padded_sequence(
    data: torch.Tensor, batch_sizes: torch.Tensor, batch_first: bool, padding_value: float, total_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Unpack a packed sequence as above: (N, total_length, ...) or (total_length, N, ...), and the lengths (N,)."""
    lengths = lengths_of(data, batch_sizes)
    longest = batch_sizes.shape[0]
    if not statically_known_true(total_length == data.shape[0]):
        data = data[:longest]
        if not statically_known_true(total_length == longest):
            data = torch.nn.functional.pad(data, [0, 0] * (data.ndim - 1) + [0, total_length - longest])
    real = torch.arange(data.shape[0])[:, None] < lengths  # (L, N)
    filling = torch.full((), padding_value, dtype=data.dtype)
    padded = torch.where(real.reshape(*real.shape, *[1] * (data.ndim - 2)), data, filling)
    return padded.transpose(0, 1) if batch_first else padded, lengths

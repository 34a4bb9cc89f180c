"""Recurrent layers; under a mask they skip padded steps."""

from __future__ import annotations

from typing import Literal

import torch

from model_zoo import GRU, LSTM, RNN, ActionModel, EmbeddingLSTM, GRUCell, LSTMCell, RNNCell
from toolkit.builder.arguments import Count, Probability
from toolkit.builder.layers.registry import layer
from toolkit.builder.layers.sizes import Size, pair

__all__ = ["action_model", "em_lstm", "gru", "gru_cell", "lstm", "lstm_cell", "rnn", "rnn_cell"]


@layer(in_axis=-1, axes=2)
def rnn(
    *,
    size: Size,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
    bias: bool = True,
    last_step: bool = False,
) -> torch.nn.Module:
    """(N, L, size[0]) -> (N, L, D * size[1]), D = 2 when bidirectional; with last_step (N, D * size[1])."""
    return RNN(
        *pair(size),
        num_layers,
        bidirectional=bidirectional,
        dropout=dropout,
        nonlinearity=nonlinearity,
        bias=bias,
        last_step=last_step,
    )


@layer(in_axis=-1, axes=2)
def lstm(
    *,
    size: Size,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    bias: bool = True,
    last_step: bool = False,
) -> torch.nn.Module:
    """(N, L, size[0]) -> (N, L, D * size[1]), D = 2 when bidirectional; with last_step (N, D * size[1])."""
    return LSTM(*pair(size), num_layers, bidirectional=bidirectional, dropout=dropout, bias=bias, last_step=last_step)


@layer(in_axis=-1, axes=2)
def gru(
    *,
    size: Size,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    bias: bool = True,
    last_step: bool = False,
) -> torch.nn.Module:
    """(N, L, size[0]) -> (N, L, D * size[1]), D = 2 when bidirectional; with last_step (N, D * size[1])."""
    return GRU(*pair(size), num_layers, bidirectional=bidirectional, dropout=dropout, bias=bias, last_step=last_step)


@layer(in_axis=-1, axes=2)
def rnn_cell(
    *,
    size: Size,
    bidirectional: bool = False,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
    bias: bool = True,
    last_step: bool = False,
) -> torch.nn.Module:
    """As `rnn` of one layer, a step at a time: (N, L, size[0]) -> (N, L, D * size[1]); with last_step (N, D * size[1])."""
    return RNNCell(*pair(size), bidirectional=bidirectional, nonlinearity=nonlinearity, bias=bias, last_step=last_step)


@layer(in_axis=-1, axes=2)
def lstm_cell(
    *, size: Size, bidirectional: bool = False, bias: bool = True, last_step: bool = False
) -> torch.nn.Module:
    """As `lstm` of one layer, a step at a time: (N, L, size[0]) -> (N, L, D * size[1]); with last_step (N, D * size[1])."""
    return LSTMCell(*pair(size), bidirectional=bidirectional, bias=bias, last_step=last_step)


@layer(in_axis=-1, axes=2)
def gru_cell(*, size: Size, bidirectional: bool = False, bias: bool = True, last_step: bool = False) -> torch.nn.Module:
    """As `gru` of one layer, a step at a time: (N, L, size[0]) -> (N, L, D * size[1]); with last_step (N, D * size[1])."""
    return GRUCell(*pair(size), bidirectional=bidirectional, bias=bias, last_step=last_step)


@layer(axes=1, dtype="int64")
def em_lstm(
    *, size: tuple[int, int], num_layers: int = 1, vocabulary: int, padding_idx: Count | None = None
) -> torch.nn.Module:
    """(N, L) tokens -> (N, L, vocabulary) logits of the token that comes next; size is (embedding, hidden)."""
    return EmbeddingLSTM(vocabulary, *size, num_layers, padding_idx=padding_idx)


@layer(in_axis=-1, axes=2)
def action_model(*, size: Size) -> torch.nn.Module:
    """(N, L, size[0]) -> (N, size[1]): an LSTM's last step, normalised; size=(132, 256) for 33 body points."""
    return ActionModel(*pair(size))

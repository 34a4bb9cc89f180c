"""Recurrent cells unrolled over the steps: one layer of RNN, LSTM or GRU, one visible step at a time.

The same numbers as one layer of `model_zoo.layers.recurrent` with the same weights, slower: for inspection.
"""

from __future__ import annotations

from typing import Literal

import torch

from model_zoo.layers.sequence_mask import SequenceMask

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Unrolled(torch.nn.Module):
    """Base class: run a cell over the steps, and where there is a second cell, run it backward."""

    takes_mask = True

    def __init__(self, forward_cell: torch.nn.RNNCellBase, backward_cell: torch.nn.RNNCellBase | None, last_step: bool):
        super().__init__()
        self.forward_cell = forward_cell
        self.backward_cell = backward_cell
        self.last_step = last_step
        self.drops_mask = last_step

    def extra_repr(self) -> str:
        return f"last_step={self.last_step}"

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(N, L, in) and a mask (N, L) or None -> (N, L, D * hidden), or (N, D * hidden) with last_step."""
        real = None if mask is None else SequenceMask(mask).mask
        order = range(x.shape[1])
        runs = [self._run(self.forward_cell, x, real, list(order))]
        if self.backward_cell is not None:
            runs.append(self._run(self.backward_cell, x, real, list(reversed(order))))
        return torch.cat(runs, dim=-1)

    def _run(
        self, cell: torch.nn.RNNCellBase, x: torch.Tensor, real: torch.Tensor | None, order: list[int]
    ) -> torch.Tensor:
        """One direction: (N, L, hidden), or (N, hidden) after the last step of `order`."""
        hidden = x.new_zeros(x.shape[0], cell.hidden_size)
        state = (hidden, hidden) if isinstance(cell, torch.nn.LSTMCell) else (hidden,)
        outputs: dict[int, torch.Tensor] = {}
        for step in order:
            after = cell(x[:, step], state) if len(state) == 2 else (cell(x[:, step], state[0]),)
            if real is not None:  # padding leaves the state as it was
                keep = real[:, step, None]
                after = tuple(torch.where(keep, new, old) for new, old in zip(after, state, strict=True))
                outputs[step] = after[0] * keep.to(x.dtype)
            else:
                outputs[step] = after[0]
            state = after
        if self.last_step:
            return state[0]
        return torch.stack([outputs[step] for step in range(x.shape[1])], dim=1)


class RNNCell(_Unrolled):
    """(N, L, in_features) -> (N, L, D * hidden), D = 2 when bidirectional; with last_step (N, D * hidden).

    Args:
        in_features: features of one step.
        hidden: features of the state.
        bidirectional: a second cell reads backward; the outputs of both are concatenated.
        nonlinearity: of the state, "tanh" or "relu".
        bias: learn offsets.
        last_step: the state after all real steps only.
    """

    def __init__(
        self,
        in_features: int,
        hidden: int,
        *,
        bidirectional: bool = False,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        last_step: bool = False,
    ) -> None:
        def cell() -> torch.nn.RNNCell:
            return torch.nn.RNNCell(in_features, hidden, bias, nonlinearity)

        super().__init__(cell(), cell() if bidirectional else None, last_step)


class LSTMCell(_Unrolled):
    """Long short-term memory, unrolled; shapes and arguments as `RNNCell`."""

    def __init__(
        self,
        in_features: int,
        hidden: int,
        *,
        bidirectional: bool = False,
        bias: bool = True,
        last_step: bool = False,
    ) -> None:
        def cell() -> torch.nn.LSTMCell:
            return torch.nn.LSTMCell(in_features, hidden, bias)

        super().__init__(cell(), cell() if bidirectional else None, last_step)


class GRUCell(_Unrolled):
    """Gated recurrent unit, unrolled; shapes and arguments as `RNNCell`."""

    def __init__(
        self,
        in_features: int,
        hidden: int,
        *,
        bidirectional: bool = False,
        bias: bool = True,
        last_step: bool = False,
    ) -> None:
        def cell() -> torch.nn.GRUCell:
            return torch.nn.GRUCell(in_features, hidden, bias)

        super().__init__(cell(), cell() if bidirectional else None, last_step)

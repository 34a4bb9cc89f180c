"""Recurrent layers over whole sequences, padded or not.

RNN: Elman, "Finding structure in time", 1990. LSTM: Hochreiter and Schmidhuber, "Long short-term memory", 1997.
GRU: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014 (arXiv:1406.1078). Both directions:
Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from model_zoo.layers.sequence_mask import SequenceMask

__all__ = ["GRU", "LSTM", "RNN", "over_real_steps"]

_RUN: dict[str, Callable[..., tuple[torch.Tensor, ...]]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}


class _Recurrent(torch.nn.Module):
    """Base class of RNN, LSTM and GRU: packing of padded sequences, `last_step`, and a traceable forward."""

    takes_mask = True

    def __init__(self, core: torch.nn.RNNBase, last_step: bool) -> None:
        super().__init__()
        self.core = core
        self.last_step = last_step
        self.drops_mask = last_step

    def extra_repr(self) -> str:
        return f"last_step={self.last_step}"

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(N, L, in) and a mask (N, L) or None -> (N, L, D * hidden), or (N, D * hidden) with last_step."""
        if mask is None or x.is_meta:  # shapes do not depend on the mask, and packing reads lengths
            output = self.core(x)[0]
            return self._ends(output[:, -1], output[:, 0]) if self.last_step else output
        steps = SequenceMask(mask)
        front = steps.to_front(x)
        output = self._traceable(front, steps) if torch.compiler.is_exporting() else self._packed(front, steps)
        return self._ends(steps.last(output), output[:, 0]) if self.last_step else steps.back(output)

    def _ends(self, last: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """Final output of each direction: the last step going forward, the first step going backward."""
        if not self.core.bidirectional:
            return last
        hidden = self.core.hidden_size
        return torch.cat([last[:, :hidden], first[:, hidden:]], dim=1)

    def _packed(self, front: torch.Tensor, steps: SequenceMask) -> torch.Tensor:
        packed = pack_padded_sequence(front, steps.lengths.cpu(), batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.core(packed)[0], batch_first=True, total_length=front.shape[1])
        return output

    def _traceable(self, front: torch.Tensor, steps: SequenceMask) -> torch.Tensor:
        """Forward pass without packing (which no graph can represent), same values: one layer and direction at a time.

        With the real steps in front, padding cannot reach them going forward; going backward it would come first, so the
        real steps are turned round before and after. Dropout between layers is left out: a graph is for evaluation.
        """
        for layer in range(self.core.num_layers):
            outputs = [self._one_direction(front, layer, "")]
            if self.core.bidirectional:
                outputs.append(steps.reverse(self._one_direction(steps.reverse(front), layer, "_reverse")))
            front = torch.cat(outputs, dim=2)
        return front

    def _one_direction(self, x: torch.Tensor, layer: int, direction: str) -> torch.Tensor:
        core = self.core
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if core.bias else ("weight_ih", "weight_hh")
        weights = [getattr(core, f"{kind}_l{layer}{direction}") for kind in kinds]
        zeros = x.new_zeros(1, x.shape[0], core.hidden_size)
        state = (zeros, zeros) if core.mode == "LSTM" else zeros
        output: torch.Tensor = _RUN[core.mode](x, state, weights, core.bias, 1, 0.0, False, False, True)[0]
        return output


def over_real_steps(core: torch.nn.RNNBase, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Outputs (N, L, D * hidden) of a layer of torch for (N, L, in) and a mask (N, L), zero at padded steps."""
    result: torch.Tensor = _Recurrent(core, last_step=False)(x, mask)
    return result


def _options(
    in_features: int, hidden: int, num_layers: int, bidirectional: bool, dropout: float, bias: bool
) -> dict[str, Any]:
    """Keyword arguments common to torch.nn.RNN, LSTM and GRU. Raises ValueError for dropout with a single layer."""
    if dropout and num_layers == 1:
        raise ValueError(
            f"dropout={dropout} works between layers, and num_layers=1 has no between. Add layers, or a dropout behind."
        )
    return {
        "input_size": in_features,
        "hidden_size": hidden,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "dropout": dropout,
        "bias": bias,
        "batch_first": True,
    }


class RNN(_Recurrent):
    """(N, L, in_features) -> (N, L, D * hidden), D = 2 when bidirectional; with last_step (N, D * hidden).

    Under a mask padded steps are skipped: they change nothing and come out as zeros.

    Args:
        in_features: features of one step.
        hidden: features of the state.
        num_layers: number of stacked layers.
        bidirectional: also read backward; the outputs of both directions are concatenated.
        dropout: between layers, in training.
        nonlinearity: of the state, "tanh" or "relu".
        bias: learn offsets.
        last_step: the last real step only; when bidirectional, beside it the first step of the backward direction.

    Raises:
        ValueError: dropout with a single layer.
    """

    def __init__(
        self,
        in_features: int,
        hidden: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        last_step: bool = False,
    ) -> None:
        options = _options(in_features, hidden, num_layers, bidirectional, dropout, bias)
        super().__init__(torch.nn.RNN(nonlinearity=nonlinearity, **options), last_step)


class LSTM(_Recurrent):
    """Long short-term memory; shapes, arguments and errors as `RNN`."""

    def __init__(
        self,
        in_features: int,
        hidden: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        last_step: bool = False,
    ) -> None:
        options = _options(in_features, hidden, num_layers, bidirectional, dropout, bias)
        super().__init__(torch.nn.LSTM(**options), last_step)


class GRU(_Recurrent):
    """Gated recurrent unit; shapes, arguments and errors as `RNN`."""

    def __init__(
        self,
        in_features: int,
        hidden: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        last_step: bool = False,
    ) -> None:
        options = _options(in_features, hidden, num_layers, bidirectional, dropout, bias)
        super().__init__(torch.nn.GRU(**options), last_step)

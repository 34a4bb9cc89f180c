"""The recurrent layers of model_zoo, with and without a padding mask, as ONNX's own operators."""

from __future__ import annotations

import torch

from exporters.tracing.forms.recurrent import OnnxRecurrent, onnx_recurrent
from exporters.tracing.forms.registry import form
from model_zoo.layers.recurrent import GRU, LSTM, RNN
from model_zoo.layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from model_zoo.layers.sequence_mask import SequenceMask

__all__ = ["PaddedRecurrent", "padded_recurrent", "rolled_cells"]


class PaddedRecurrent(torch.nn.Module):
    """Recurrent layers: (N, L, in), mask (N, L) of real steps or None -> (N, L, D * hidden), or (N, D * hidden).

    Args:
        core: the layers.
        last_step: return the state after the last real step only; going backward, after the first one.
    """

    def __init__(self, core: OnnxRecurrent, last_step: bool) -> None:
        super().__init__()
        self.core = core
        self.last_step = last_step
        self.takes_mask = True
        self.drops_mask = last_step

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Run with the arguments and results of the replaced layer."""
        steps = None if mask is None else SequenceMask(mask)
        front = x if steps is None else steps.to_front(x)
        outputs, last = self.core(front, lengths=None if steps is None else steps.lengths)
        if self.last_step:
            states = last[0] if self.core.operator == "LSTM" else last  # (layers * D, N, hidden)
            result: torch.Tensor = states[-self.core.directions :].transpose(0, 1).flatten(1)
        else:
            result = outputs if steps is None else steps.back(outputs)
        return result


@form(RNN, GRU, LSTM, symbolic=True)
def padded_recurrent(module: RNN | GRU | LSTM) -> PaddedRecurrent:
    """Form of model_zoo's masked recurrent layers, without packing, which a graph cannot hold."""
    return PaddedRecurrent(onnx_recurrent(module.core), module.last_step)


@form(RNNCell, GRUCell, LSTMCell, symbolic=True)
def rolled_cells(module: RNNCell | GRUCell | LSTMCell) -> PaddedRecurrent:
    """Form of cells that torch unrolls step by step: one recurrent layer."""
    cells = [cell for cell in (module.forward_cell, module.backward_cell) if cell is not None]
    weights = [(cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh) for cell in cells]
    activation = getattr(cells[0], "nonlinearity", "tanh").capitalize()
    operator = type(cells[0]).__name__.removesuffix("Cell")
    return PaddedRecurrent(OnnxRecurrent(operator, [weights], activation=activation), module.last_step)

"""Recurrent layers as ONNX's own operators: a few nodes for any length, where torch may write every step out.

Gates are stored in another order (ONNX operators RNN, GRU and LSTM): torch's GRU has reset, update, new, and ONNX's
update, reset, hidden; torch's LSTM has input, forget, cell, output, and ONNX's input, output, forget, cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch.nn.utils.rnn import PackedSequence

from exporters.tracing.forms.packed import lengths_of
from exporters.tracing.forms.registry import form
from runtime.errors import SpecError

__all__ = ["OnnxRecurrent", "Weights", "onnx_recurrent"]

# weight_ih (gates * hidden, in), weight_hh (gates * hidden, hidden), bias_ih and bias_hh (gates * hidden,) or None
Weights: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]

_ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}


class OnnxRecurrent(torch.nn.Module):
    """Stacked RNN, GRU or LSTM layers. It computes nothing in torch: it can only be traced.

    Args:
        operator: "RNN", "GRU" or "LSTM".
        layers: the weights of each layer in one or two directions, as torch stores them.
        activation: of an RNN, "Tanh" or "Relu".
        batch_first: inputs and outputs are (N, L, ...), else (L, N, ...).
    """

    def __init__(
        self,
        operator: str,
        layers: Sequence[Sequence[Weights]],
        *,
        activation: str = "Tanh",
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        self.operator = operator
        self.batch_first = batch_first
        self.num_layers = len(layers)
        self.directions = len(layers[0])
        self.hidden_size = layers[0][0][1].shape[1]
        self.attributes: dict[str, Any] = {
            "hidden_size": self.hidden_size,
            "direction": "bidirectional" if self.directions == 2 else "forward",
        }
        if operator == "RNN":
            self.attributes["activations"] = [activation] * self.directions
        if operator == "GRU":
            self.attributes["linear_before_reset"] = 1  # torch's GRU resets behind the product with the hidden weights
        for number, directions in enumerate(layers):
            for kind, parts in zip("WRB", zip(*map(self._onnx_weights, directions), strict=True), strict=True):
                self.register_buffer(f"{kind}{number}", torch.stack(parts))

    def _onnx_weights(self, weights: Weights) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """ONNX weights W (gates * hidden, in), R (gates * hidden, hidden), B (2 * gates * hidden,) of one direction."""
        inner, recurrent = self._reordered(weights[0]), self._reordered(weights[1])
        biases = [inner.new_zeros(len(inner)) if bias is None else self._reordered(bias) for bias in weights[2:]]
        return inner, recurrent, torch.cat(biases)

    def _reordered(self, weight: torch.Tensor) -> torch.Tensor:
        gates = weight.detach().chunk(len(_ORDER[self.operator]))
        return torch.cat([gates[gate] for gate in _ORDER[self.operator]])

    def forward(self, input: torch.Tensor, hx: Any = None, lengths: torch.Tensor | None = None) -> tuple[Any, Any]:
        """Run (N, L, in) -> (outputs (N, L, directions * hidden), last states (layers * directions, N, hidden)).

        Args:
            input: float32; or a PackedSequence as `exporters.tracing.forms.packed` has it, and one comes back.
            hx: first states as the last ones are shaped, for an LSTM a pair (h, c); zeros by default.
            lengths: (N,) whole numbers: leading steps of each row that count. As with a PackedSequence the outputs behind
                them are zero, and each row's own end is where its last state is taken and its backward direction begins.

        Raises:
            SpecError: the input has no batch axis.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if not isinstance(input, torch.Tensor) or input.ndim != 3:
            raise SpecError(
                f"The {self.operator} is called with {_described(input)}; it can be exported with a tensor (N, L, features) or a "
                f"packed sequence only. Give one row a batch axis of 1."
            )
        steps, finals = self._run(input.transpose(0, 1) if self.batch_first else input, hx, lengths)
        return steps.transpose(0, 1) if self.batch_first else steps, finals

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """Run a packed sequence: its rows are sorted by length, so states are permuted and back, as in torch."""
        data, batch_sizes, order, back = input
        if hx is not None and order is not None:
            hx = self._each_state(hx, order)
        steps, finals = self._run(data, hx, lengths_of(data, batch_sizes))
        if back is not None:
            finals = self._each_state(finals, back)
        return PackedSequence(steps, batch_sizes, order, back), finals

    def _each_state(self, states: Any, order: torch.Tensor) -> Any:
        if isinstance(states, tuple):
            return tuple(state.index_select(1, order) for state in states)
        return states.index_select(1, order)

    def _run(self, steps: torch.Tensor, hx: Any, lengths: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
        """Run all layers: (L, N, in) -> (L, N, directions * hidden) and the last states."""
        first = () if hx is None else hx if self.operator == "LSTM" else (hx,)
        last: list[tuple[torch.Tensor, ...]] = []
        for layer in range(self.num_layers):
            start = layer * self.directions
            states = [state[start : start + self.directions] for state in first]
            steps, *found = self._layer(layer, steps, states, lengths)
            last.append(tuple(found))
        finals = tuple(torch.cat(states) for states in zip(*last, strict=True))
        return steps, finals if self.operator == "LSTM" else finals[0]

    def _layer(
        self, layer: int, steps: torch.Tensor, states: list[torch.Tensor], lengths: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        """Run one layer: (L, N, in) -> (L, N, directions * hidden), last states (directions, N, hidden) each."""
        length, rows, _ = steps.shape
        state_count = 2 if self.operator == "LSTM" else 1
        outputs, *last = torch.onnx.ops.symbolic_multi_out(
            self.operator,
            (
                steps,
                *(getattr(self, f"{kind}{layer}") for kind in "WRB"),
                None if lengths is None else lengths.to(torch.int32),
                *states,
            ),
            self.attributes,
            dtypes=[steps.dtype] * (1 + state_count),
            shapes=[
                [length, self.directions, rows, self.hidden_size],
                *[[self.directions, rows, self.hidden_size]] * state_count,
            ],
        )
        if self.directions == 1:
            return outputs.squeeze(1), *last
        return outputs.transpose(1, 2).flatten(2), *last


@form(torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM, symbolic=True)
def onnx_recurrent(module: torch.nn.RNNBase) -> OnnxRecurrent:
    """Form of RNN, GRU and LSTM, which also takes `lengths`. Raises SpecError for an LSTM with projections."""
    if module.proj_size:
        raise SpecError(
            f"An LSTM with proj_size={module.proj_size} cannot be exported: ONNX's LSTM has no projection. Put a linear layer "
            f"behind an LSTM without one."
        )
    suffixes = ("", "_reverse") if module.bidirectional else ("",)
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layers = [
        [tuple(getattr(module, f"{kind}_l{layer}{suffix}", None) for kind in kinds) for suffix in suffixes]
        for layer in range(module.num_layers)
    ]
    operator, _, activation = module.mode.partition("_")
    return OnnxRecurrent(operator, layers, activation=activation.capitalize(), batch_first=module.batch_first)  # type: ignore[arg-type]


def _described(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"

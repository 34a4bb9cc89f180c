"""torch's own recurrent layers over the real steps."""

from __future__ import annotations

from typing import Any

import torch

from model_zoo.layers.recurrent import over_real_steps
from model_zoo.layers.sequence_mask import SequenceMask
from model_zoo.masking.padding import Padding
from model_zoo.masking.registry import masked

__all__ = ["recurrent"]


@masked(torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)
def recurrent(
    run: Any, layer: torch.nn.RNNBase, x: torch.Tensor, padding: Padding
) -> tuple[torch.Tensor, Padding | None]:
    """(N, L, in) -> (N, L, D * hidden): padded steps are skipped, and the backward direction begins at the real end."""
    if padding.axis != 1 or not layer.batch_first:
        return run(padding.filled(x))[0], None
    if run is layer:
        return over_real_steps(layer, padding.filled(x), padding.mask), padding
    steps = SequenceMask(padding.mask)
    front = steps.to_front(padding.filled(x))
    # what stands in the layer's place while it is traced takes the lengths
    return steps.back(run(front, lengths=steps.lengths)[0]), padding

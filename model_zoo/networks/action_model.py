"""Action recognition from key points: an LSTM's state after the last frame, batch-normalised."""

from __future__ import annotations

import torch

from model_zoo.layers.recurrent import LSTM

__all__ = ["ActionModel"]


class ActionModel(torch.nn.Module):
    """(N, L, in_features) -> (N, hidden): frames of key points -> one vector per sequence.

    132 features are the 33 points of a body with x, y, z and visibility. The same as an LSTM's last step followed by
    BatchNorm1d.

    Args:
        in_features: values per frame.
        hidden: features of the LSTM's state.
    """

    takes_mask = True
    drops_mask = True

    def __init__(self, in_features: int = 132, hidden: int = 256) -> None:
        super().__init__()
        self.lstm = LSTM(in_features, hidden, last_step=True)
        self.norm = torch.nn.BatchNorm1d(hidden)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(N, L, in_features) and a mask (N, L) or None -> (N, hidden)."""
        result: torch.Tensor = self.norm(self.lstm(x, mask))
        return result

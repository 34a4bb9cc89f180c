"""nn.TransformerEncoder with a padding mask: in evaluation torch takes a path over nested tensors that cannot be exported."""

from __future__ import annotations

from typing import Any

import torch

from exporters.tracing.forms.functions import python_form
from exporters.tracing.forms.registry import form

__all__ = ["PaddedEncoder", "causal_if_said"]


class PaddedEncoder(torch.nn.Module):
    """Encoder layers in sequence, with zeros at padded positions as torch's nested path leaves them.

    torch takes that path where every row's padding is at its end, and the ordinary one for the whole batch elsewhere.
    """

    def __init__(self, encoder: torch.nn.TransformerEncoder) -> None:
        super().__init__()
        self.layers = encoder.layers
        self.norm = encoder.norm

    def forward(
        self,
        src: torch.Tensor,
        mask: torch.Tensor | None = None,
        src_key_padding_mask: torch.Tensor | None = None,
        is_causal: bool | None = None,
    ) -> torch.Tensor:
        """Encode (N, L, E) -> (N, L, E). `src_key_padding_mask` (N, L) is True where a position is padding."""
        result = src
        for layer in self.layers:
            result = layer(result, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        if mask is None and src_key_padding_mask is not None:
            padding = src_key_padding_mask != 0  # a mask may also be of numbers, 0 and -inf
            at_the_end = (padding[:, 1:] | ~padding[:, :-1]).all()
            result = result.masked_fill((padding & at_the_end).unsqueeze(-1), 0.0)
        return result if self.norm is None else self.norm(result)


@form(torch.nn.TransformerEncoder)
def padded_encoder(module: torch.nn.TransformerEncoder) -> torch.nn.Module | None:
    """Form of an encoder where torch would take the nested path; None elsewhere."""
    return PaddedEncoder(module) if module.use_nested_tensor and module.mask_check else None


@python_form("torch.nn.modules.transformer", "_detect_is_causal_mask")
def causal_if_said(mask: torch.Tensor | None, is_causal: bool | None = None, size: Any = None) -> bool:
    """Causal flag as the caller gives it: torch inspects the mask's numbers, which a graph cannot; without it the mask is used."""
    return bool(is_causal)

"""Chunking of a dynamic axis: torch.chunk fixes the length, as it may give fewer parts than requested."""

from __future__ import annotations

from typing import Any

import torch

from exporters.tracing.forms.functions import function_form

__all__ = ["equal_chunks"]


@function_form(torch.chunk, torch.Tensor.chunk)
def equal_chunks(input: torch.Tensor, chunks: int, dim: int = 0) -> Any:
    """Split a length known to be a multiple of `chunks`, such as two concatenated batches, into equal parts."""
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    length = input.shape[dim]
    if not isinstance(length, torch.SymInt) or not statically_known_true(length % chunks == 0):
        return NotImplemented
    size = length // chunks
    return tuple(input.narrow(dim, number * size, size) for number in range(chunks))

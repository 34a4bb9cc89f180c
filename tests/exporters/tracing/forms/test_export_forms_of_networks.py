"""Forms that whole networks of the zoo asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from exporters import export
from exporters.tracing.forms.attention import attention
from exporters.tracing.forms.chunks import equal_chunks


class TwoPictures(torch.nn.Module):
    """As optical flow does it: both pictures go through one layer at once, and are taken apart again."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        one, two = torch.chunk(self.layer(torch.cat([first, second])), chunks=2, dim=0)
        return one * two.flip(1)


class Attention(torch.nn.Module):
    """(N, L, 8) in two heads with a bias for each pair of positions, as vision transformers write it; or over windows too."""

    def __init__(self, windows: int | None) -> None:
        super().__init__()
        self.windows = windows
        self.mix = torch.nn.Linear(8, 24)
        self.bias = torch.nn.Parameter(torch.randn(6 // (windows or 1), 6 // (windows or 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, length, width = x.shape
        parts = self.mix(x).reshape(rows, self.windows or 1, -1, 3, 2, 4)  # (N, W, L / W, 3, heads, 4)
        query, key, value = parts.permute(3, 0, 4, 1, 2, 5)  # (N, heads, W, L / W, 4)
        if self.windows is None:
            query, key, value = query[:, :, 0], key[:, :, 0], value[:, :, 0]
            found = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=self.bias)
            return found.transpose(1, 2).reshape(rows, length, width)
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=self.bias)
        return found.permute(0, 2, 3, 1, 4).reshape(rows, length, width)


@pytest.mark.slow
@pytest.mark.parametrize("windows", [None, 3])
def test_attention_with_a_bias_or_over_windows_goes_through_torch_export(windows: int | None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = export(Attention(windows), tmp_path / "model.onnx", example=torch.randn(5, 6, 8))
    assert report.facts["trace"]["route"] == "torch.export", report.facts["trace"]["failures"]


def test_attention_over_more_axes_is_torchs() -> None:
    query, key, value = torch.randn(3, 2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(attention(query, key, value), expected)


@pytest.mark.slow
def test_two_inputs_put_together_are_taken_apart_at_any_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = export(TwoPictures(), tmp_path / "model.onnx", example=(torch.randn(5, 4), torch.randn(5, 4)))
    assert report.parity.batch_sizes == (1, 2, 5)
    assert report.facts["trace"]["route"] == "torch.export"


def test_chunks_of_a_known_length_are_torchs_own() -> None:
    assert equal_chunks(torch.zeros(6, 2), 2) is NotImplemented

"""Forms that whole networks of the zoo asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from exporters import export
from exporters.forms.chunks import equal_chunks


class TwoPictures(torch.nn.Module):
    """As optical flow does it: both pictures go through one layer at once, and are taken apart again."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        one, two = torch.chunk(self.layer(torch.cat([first, second])), chunks=2, dim=0)
        return one * two.flip(1)


@pytest.mark.slow
def test_two_inputs_put_together_are_taken_apart_at_any_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = export(TwoPictures(), tmp_path / "model.onnx", example=(torch.randn(5, 4), torch.randn(5, 4)))
    assert report.parity.batch_sizes == (1, 2, 5)
    assert report.facts["trace"]["route"] == "torch.export"


def test_chunks_of_a_known_length_are_torchs_own() -> None:
    assert equal_chunks(torch.zeros(6, 2), 2) is NotImplemented

"""Tolerance by dtype and by torch's own rounding, and advice that fits the reason of a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from exporters import export
from exporters.tracing.trace import _is_about_lengths
from runtime.errors import CheckFailed


class Cancelling(torch.nn.Module):
    """(N, 64) -> (N, 64): (y + 1)^2 - y^2 - 2y of large y, which is 1 but for rounding."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.linear, self.scale = torch.nn.Linear(64, 64), scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x) * self.scale
        return (y + 1) ** 2 - y**2 - 2 * y


def layers(dtype: torch.dtype, depth: int = 2) -> torch.nn.Module:
    torch.manual_seed(0)
    parts: list[torch.nn.Module] = []
    for _ in range(depth):
        parts += [torch.nn.Linear(16, 16), torch.nn.GELU()]
    return torch.nn.Sequential(*parts).to(dtype)


def test_a_half_precision_network_is_allowed_its_own_roundings(tmp_path: Path) -> None:
    report = export(layers(torch.float16), tmp_path / "a.onnx", example=torch.randn(4, 16).half())
    assert 1e-4 < report.parity.allowed["output"] < 1e-2


def test_torchs_own_rounding_is_measured_in_float64(tmp_path: Path) -> None:
    """Another order of the same sums differs by as much as torch itself does from the exact result."""
    torch.manual_seed(0)
    module, x = Cancelling(30.0), torch.randn(4, 64)
    report = export(module, tmp_path / "a.onnx", example=x)
    assert report.parity.worst["output"] <= 11 * 2e-5


def test_a_wrong_file_is_no_rounding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(CheckFailed):
        export(Cancelling(30_000.0), tmp_path / "a.onnx", example=torch.randn(4, 64))


def test_double_precision_without_an_operator_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"Erf.*export the network in float32, module.float\(\)") as caught:
        export(layers(torch.float64), tmp_path / "a.onnx", example=torch.randn(4, 16).double())
    for wrong in (str(tmp_path / "."), "to be dynamic", "downloaded", "export it again"):
        assert wrong not in caught.value.message.partition("Nothing was written")[0]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("its length became the constant 8 (a loop over it)", True),
        ("The output 'y' differs from torch by 0.5 at length 9, position (0,) (torch 1, the file 2); up to 1e-05 is allowed.", True),
        ("The output 'y' differs from torch by 2e-05 at batch size 1, position (0,) (torch 1, the file 1); up to 1e-05 is allowed.",
         False),
        ("DispatchError: No ONNX function found for <OpOverload(op='aten.linalg_inv_ex')>", False),
        ("UnsupportedOperatorError: Exporting the operator 'aten::x' to ONNX opset version 18 is not supported.", False),
        ("The file takes the inputs ['a']; the network takes ['b'].", False),
        ("An LSTM with proj_size=3 cannot be exported: ONNX's LSTM has no projection.", False),
    ],
)  # fmt: skip
def test_fewer_dynamic_axes_are_advised_where_they_could_help(reason: str, expected: Any) -> None:
    assert _is_about_lengths(reason) is expected

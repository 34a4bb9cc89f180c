"""Scripts with loops and branches: kept by the legacy exporter, and no branch is followed on one side in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from exporters import export
from runtime.session import Session


class Loop(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros_like(x[:, 0])
        for step in range(x.shape[1]):
            state = torch.tanh(self.linear(state) + x[:, step])
        return state


class Branch(Loop):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 19:
            x = x * 2
        return self.linear(x)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", [Loop, Branch])
def test_loops_and_branches_of_scripts_are_kept(kind: type[torch.nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    script = torch.jit.script(kind().eval())
    export(script, tmp_path / "a.onnx", example=torch.randn(3, 7, 4), dynamic=("batch", "length"))
    session = Session(tmp_path / "a.onnx", "cpu")
    for rows, length in ((1, 5), (2, 30), (4, 20)):
        x = torch.randn(rows, length, 4)
        with torch.no_grad():
            expected = script(x)
        found = torch.from_numpy(session.run({"input": x.numpy()}, ["output"])["output"])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)

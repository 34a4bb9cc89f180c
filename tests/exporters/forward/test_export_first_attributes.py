"""A network is traced with the attributes that it had before it was run; examples may require gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from exporters import export
from exporters.forward.first_attributes import FirstAttributes
from exporters.tracing.routes.route import RouteFailed
from exporters.tracing.routes.torch_export import _Bounds
from runtime.session import Session


class Grid(torch.nn.Module):
    """Keeps the grid of the last size."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 2, 3, 2, 1)
        self.grid = torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolution(x)
        rows, columns = y.shape[2:]
        if self.grid.shape[-2:] != y.shape[-2:]:
            v, u = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            self.grid = torch.stack((u, v))[None].float()
        return (y.sigmoid() + self.grid).flatten(2)


def test_a_grid_that_was_kept_is_made_anew_in_the_file(tmp_path: Path) -> None:
    module, path = Grid(), tmp_path / "n.onnx"
    export(module, path, example=torch.randn(2, 3, 8, 12), dynamic=("batch", "height", "width"))
    x = torch.randn(3, 3, 20, 14)
    with torch.no_grad():
        np.testing.assert_allclose(
            Session(path, "cpu").run({"input": x.numpy()})["output"], module(x).numpy(), atol=1e-5
        )


def test_attributes_are_put_back() -> None:
    module = Grid()
    first = FirstAttributes(module)
    module(torch.zeros(1, 3, 8, 8))
    module.extra = 3  # type: ignore[assignment]
    kept = module.grid
    with first.restored():
        assert module.grid.shape == (1,)
        assert not hasattr(module, "extra")
        module.grid = torch.ones(2)
    assert module.grid is kept
    assert module.extra == 3


def test_an_example_that_requires_gradients_is_taken(tmp_path: Path) -> None:
    export(torch.nn.Linear(4, 2), tmp_path / "n.onnx", example=torch.randn(3, 4, requires_grad=True))
    assert Session(tmp_path / "n.onnx", "cpu").inputs[0].shape == ("batch", 4)


def test_an_axis_of_which_one_length_is_left_is_no_axis() -> None:
    with pytest.raises(RouteFailed, match="one height only, 3: what it found leaves 3 to 3"):
        _Bounds(3, 3, 3).dim(0, "height")

"""Networks as users write them, each compared with its file at sizes that the export itself did not run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from exporters import export
from exporters.tracing.forms.padding import pad
from exporters.tracing.routes.extra_probes import numbers_in
from runtime.errors import CheckFailed


class Rows(torch.nn.Module):
    """(N, ..., 4) -> (N, ..., 3), by a function of the module and its input."""

    def __init__(self, run: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.run = run

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(self, x)


def halved_when_long(module: Any, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = module.linear(x)
    return result / 2 if len(x) > 40 else result


def by_table(module: Any, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = module.linear(x)
    return result * {47: 3.0}.get(int(x.shape[0]), 1.0)


def halved_when_large(module: Any, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = module.linear(x)
    return result / 2 if x.shape[0] * x.shape[1] > 300 else result


@pytest.mark.slow
@pytest.mark.parametrize("run", [halved_when_long, by_table])
def test_a_branch_on_a_plain_number_of_rows_is_found(
    run: Callable[[Any, torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed, match=r"at batch size (41|47)"):
        export(Rows(run), tmp_path / "branch.onnx", example=torch.randn(3, 4))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_branch_on_two_lengths_together_is_found(tmp_path: Path) -> None:
    axes = {"input": {0: "batch", 1: "length"}}
    with pytest.raises(CheckFailed, match=r"branch in its forward depends on the values or lengths"):
        export(Rows(halved_when_large), tmp_path / "branch.onnx", example=torch.randn(3, 12, 4), dynamic=axes)
    assert not list(tmp_path.iterdir())


def test_numbers_in_code_are_found_wherever_they_stand() -> None:
    def inner(x: int) -> Any:
        table = {(41, 1000): x, 7: 2}
        return lambda y: table.get(y, 5003)

    assert {41, 1000, 7, 5003} <= numbers_in(inner.__code__)


@pytest.mark.slow
def test_an_input_that_is_written_to_stays_as_it_was(tmp_path: Path) -> None:
    def run(module: Any, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2)
        x[:, 0] = 1
        result: torch.Tensor = module.linear(x)
        return result

    module, example = Rows(run), torch.randn(3, 4)
    before = example.clone()
    export(module, tmp_path / "written.onnx", example=example)
    assert torch.equal(example, before)
    check(module, tmp_path / "written.onnx", torch.randn(33, 4))


def test_buffers_and_the_random_state_are_left_as_they_were(tmp_path: Path) -> None:
    def run(module: Any, x: torch.Tensor) -> torch.Tensor:
        module.seen += 1
        result: torch.Tensor = module.linear(functional.dropout(x, 1e-9, training=True))
        return result

    module, state = Rows(run), torch.get_rng_state()
    export(module, tmp_path / "counted.onnx", example=torch.randn(3, 4, generator=torch.Generator()))
    assert int(module.seen) == 0
    assert torch.equal(torch.get_rng_state(), state)


def test_a_running_mean_is_refused_by_name_and_put_back(tmp_path: Path) -> None:
    def run(module: Any, x: torch.Tensor) -> torch.Tensor:
        module.mean = 0.5 * module.mean + 0.5 * x.mean(0)
        result: torch.Tensor = module.linear(x - module.mean)
        return result

    module = Rows(run)
    with pytest.raises(CheckFailed, match=r"keeps something from one run to the next \(its buffer 'mean'"):
        export(module, tmp_path / "mean.onnx", example=torch.randn(3, 4))
    assert not module.mean.any()


def test_rows_that_stand_in_no_other_batch_are_refused_in_words(tmp_path: Path) -> None:
    class Bags(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bags = torch.nn.EmbeddingBag(20, 4)

        def forward(self, words: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.bags(words, starts)
            return result

    with pytest.raises(CheckFailed, match=r"torch itself does not run at batch size 1.*--static"):
        export(
            Bags(),
            tmp_path / "bags.onnx",
            example=(torch.randint(0, 20, (12,)), torch.tensor([0, 4, 9])),
            dynamic={"words": {0: "words"}, "starts": {0: "batch"}},
        )


class Halves(torch.nn.Module):
    """(N, 3, H, W) -> (N, 5, H, W): a U-Net of one step that pads what it enlarges to the size before."""

    def __init__(self) -> None:
        super().__init__()
        self.down = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.up = torch.nn.ConvTranspose2d(4, 2, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up = self.up(functional.max_pool2d(self.down(x), 2))
        high, wide = x.size(2) - up.size(2), x.size(3) - up.size(3)
        up = functional.pad(up, [wide // 2, wide - wide // 2, high // 2, high - high // 2])
        return torch.cat([up, x], 1)


class Multiple(torch.nn.Module):
    """(N, 3, H, W) -> padded to multiples of four."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value = 2.0 if self.mode == "constant" else None
        return functional.pad(x, (0, -x.shape[3] % 4, -x.shape[2] % 4, 0), self.mode, value)


@pytest.mark.slow
@pytest.mark.parametrize("module", [Halves(), *map(Multiple, ("constant", "reflect", "replicate", "circular"))])
def test_padding_by_a_width_that_depends_on_the_size(module: torch.nn.Module, tmp_path: Path) -> None:
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    export(module, tmp_path / "padded.onnx", example=torch.randn(3, 3, 12, 15), dynamic=axes)
    for size in ((7, 3, 23, 22), (1, 3, 57, 9), (2, 3, 8, 64)):
        check(module, tmp_path / "padded.onnx", torch.randn(size))


def test_padding_by_plain_numbers_stays_as_it_is() -> None:
    assert pad(torch.ones(2, 3), (1, 1)) is NotImplemented


def check(module: torch.nn.Module, path: Path, given: torch.Tensor) -> None:
    """Run the file and the module, without anything of the exporter."""
    (found,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        None, {"input": given.numpy()}
    )
    with torch.no_grad():
        expected = module.eval()(given.clone()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

"""The routes in order, what each leaves to the next, and what no route may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from exporters import export
from exporters.settings import ExportSettings
from exporters.subject.assembly import make_subject
from exporters.subject.dynamic_axes import resolve_dynamic_axes
from exporters.subject.subject import Subject
from exporters.tracing import trace
from exporters.tracing.routes import BranchFound, by_legacy_exporter, by_torch_export
from exporters.tracing.routes.guards import constants_of, guards_of, violations
from runtime.errors import CheckFailed
from runtime.session import Session


class Calls(torch.nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


class Loop(torch.nn.Module):
    """A cell over every step, from no state at all: tracing writes as many cells as the example had steps."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.GRUCell(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return state


def subject_of(module: torch.nn.Module, example: Any, *dynamic: str) -> Subject:
    settings = ExportSettings(dynamic=dynamic or None)
    return resolve_dynamic_axes(make_subject(module.eval(), example=example, settings=settings), settings)[0]


def axes(path: Path) -> list[list[str | int]]:
    graph = onnx.load(path).graph
    values = (*graph.input, *graph.output)
    return [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]


def test_axes_have_the_names_that_were_asked_for(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv1d(4, 3, 3), torch.nn.ReLU())
    assert by_torch_export(subject_of(module, torch.rand(3, 4, 9), "batch", "length"), tmp_path / "a.onnx")
    assert axes(tmp_path / "a.onnx") == [["batch", 4, "length"], ["batch", 3, "length - 2"]]


def test_sizes_that_must_be_multiples_are_declared_so(tmp_path: Path) -> None:
    down, up = torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.ConvTranspose2d(4, 3, 2, 2)
    module = Calls(lambda x: torch.cat([x, up(down(x))], 1).detach())
    subject = subject_of(module, torch.rand(3, 3, 8, 12), "batch", "height", "width")
    by_torch_export(subject, tmp_path / "a.onnx")
    assert axes(tmp_path / "a.onnx") == [["batch", 3, "height", "width"], ["batch", 6, "height", "width"]]


def test_the_legacy_exporter_follows_where_the_first_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise CheckFailed("not today")

    monkeypatch.setattr(trace, "_ROUTES", (("torch.export", fails), ("the legacy exporter", by_legacy_exporter)))
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LSTM(3, 5, batch_first=True))
    report = export(module, tmp_path / "a.onnx", example=torch.rand(4, 9, 4), dynamic=("batch", "length"))
    assert report.facts["trace"]["route"] == "the legacy exporter"
    assert report.facts["trace"]["failures"] == {"torch.export": "not today"}
    assert axes(tmp_path / "a.onnx")[0] == ["batch", "length", 4]


@pytest.mark.parametrize("route", [by_torch_export, by_legacy_exporter])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 if x.shape[0] > 1000 else x - 1,
        lambda x: x * 2 if x.shape[0] == 77 else x - 1,
        lambda x: x * 2 if x.sum() > 0 else x - 1,
    ],
)
def test_a_branch_that_no_probe_would_see_is_refused_by_every_route(route: Any, function: Any, tmp_path: Path) -> None:
    with pytest.raises(BranchFound, match="depends on the"):
        route(subject_of(Calls(function), torch.rand(3, 4)), tmp_path / "a.onnx")


def test_what_no_route_can_write_is_said_once_and_quietly(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed) as caught:
        export(Calls(torch.erfinv), tmp_path / "a.onnx", example=torch.rand(3, 4))
    assert "erf_inv" in str(caught.value)
    assert "Nor could the legacy exporter: UnsupportedOperatorError" in str(caught.value)
    assert len(str(caught.value)) < 900
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


def test_a_branch_at_one_small_length_is_found_by_running_it(tmp_path: Path) -> None:
    module = Calls(lambda x: x * 2 if x.shape[1] == 4 else x - 1)
    with pytest.raises(CheckFailed, match=r"differs from torch.*length 4"):
        export(module, tmp_path / "a.onnx", example=torch.rand(3, 9), dynamic=("batch", "length"))
    assert list(tmp_path.iterdir()) == []


def test_a_loop_over_time_says_why_and_what_to_do(tmp_path: Path) -> None:
    options: dict[str, Any] = {"example": torch.rand(3, 6, 4), "dynamic": ("batch", "length"), "simplifier": "none"}
    with pytest.raises(CheckFailed) as caught:
        export(Loop(), tmp_path / "a.onnx", **options)
    for words in ("carries 'state', which is None", "x.new_zeros", "legacy exporter", "--allow-static"):
        assert words in str(caught.value)
    report = export(Loop(), tmp_path / "a.onnx", allow_static=True, **options)
    assert report.facts["trace"]["fixed"] == {"length": 6}
    assert any("the length is fixed to 6, as --allow-static allows" in note for note in report.notes)
    assert Session(tmp_path / "a.onnx", "cpu").inputs[0].shape == ("batch", 6, 4)


def test_a_length_that_became_a_number_says_why_and_what_to_do(tmp_path: Path) -> None:
    module = Calls(lambda x: sum(part * number for number, part in enumerate(x.unbind(1))))
    with pytest.raises(CheckFailed, match=r"length became the constant 6 .*torch\.nn\.RNN, GRU or LSTM"):
        export(module, tmp_path / "a.onnx", example=torch.rand(3, 6), dynamic=("batch", "length"))


def test_conditions_are_worked_out_without_running_them_as_code() -> None:
    text = (
        "  - Not all values of axis1 = L['inputs'][0].size()[2] in the specified range satisfy the generated guard "
        "(1 + (((-5) + L['inputs'][0].size()[2]) // 2)) != 1.\n"
        "  - You marked axis0 as dynamic but your code specialized it to be a constant (9). If you're"
    )
    assert guards_of(text) == [(1, "(1 + (((-5) + n) // 2)) != 1")]
    assert constants_of(text) == [(0, 9)]
    assert violations("(1 + (((-5) + n) // 2)) != 1", range(1, 20)) == [5, 6]
    assert violations("math.trunc(0.5*torch.sym_float(n)) >= 2", range(1, 9)) == [1, 2, 3]
    assert violations("3 <= n and n <= IntInfinity()", range(1, 9)) == [1, 2]
    assert violations("__import__('os').getcwd()", range(9)) is None
    assert violations("n // 0 == 1", range(9)) is None
    assert violations("n ** n ** n == 1", range(9)) is None
    assert violations("not a condition", range(9)) is None

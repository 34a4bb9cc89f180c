"""Faults as a stranger would plant them, in the network, in the exporter's tools, in the file: each is caught, none is written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

import runtime
from exporters import check, export
from runtime.card import CARD_KEY
from runtime.errors import CheckFailed, InputError, ModelFileError, ToolkitError
from toolkit.training.checkpoints.checkpoint import Checkpoint

BEFORE = b"the file that was there before"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """Where the export should go: a file is there already, and must still be there at the end, and nothing beside it."""
    path = tmp_path / "target" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(BEFORE)
    yield path
    assert path.read_bytes() == BEFORE
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]


def refused(source: Any, target: Path, **settings: Any) -> str:
    """The words of the refusal, which must come with exit code 1 and without a traceback's text."""
    with pytest.raises(ToolkitError) as caught:
        export(source, target, **{"simplifier": "none", **settings})
    assert caught.value.exit_code == 1
    message = str(caught.value)
    assert message.startswith("The export was refused: ")
    assert message.endswith(f"Nothing was written to {target}; the file that was there before is unchanged.")
    assert "Traceback" not in message
    return message


# ---- in the network ------------------------------------------------------------------------------------------------------


class Choice(torch.nn.Module):
    """Computes otherwise at some batch sizes."""

    def __init__(self, otherwise: Callable[[int], bool]) -> None:
        super().__init__()
        self.otherwise = otherwise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 4) -> (N, 4)."""
        return x * 2 if self.otherwise(x.shape[0]) else x - 1


BRANCHES: dict[str, Callable[[int], bool]] = {
    "more than 4": lambda rows: rows > 4,
    "more than 8, beyond what is run": lambda rows: rows > 8,
    "a single row": lambda rows: rows == 1,
    "fewer than 2": lambda rows: rows < 2,
    "as many as the example": lambda rows: rows == 3,
    "exactly 4": lambda rows: rows == 4,
    "even": lambda rows: rows % 2 == 0,
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_on_the_batch_size(branch: str, target: Path) -> None:
    message = refused(Choice(BRANCHES[branch]), target, example=torch.rand(3, 4))
    assert "batch size" in message


class Stuck(torch.nn.Sequential):
    """Layers that stay in training mode, whatever they are told."""

    def train(self, mode: bool = True) -> Stuck:
        """Ignores `mode`."""
        return super().train(True)


class Functional(torch.nn.Module):
    """A linear layer and a function behind it."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 6)
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 4) -> (N, 6)."""
        return self.function(self.linear(x))


TRAINING: dict[str, Callable[[], torch.nn.Module]] = {
    "batch normalisation that ignores eval()": lambda: Stuck(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6)),
    "batch normalisation without statistics": lambda: torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6, track_running_stats=False)
    ),
    "functional batch normalisation in training": lambda: Functional(
        lambda x: torch.nn.functional.batch_norm(x, None, None, training=True)
    ),
    "dropout that ignores eval()": lambda: Stuck(torch.nn.Linear(4, 6), torch.nn.Dropout(0.5)),
    "functional dropout left on": lambda: Functional(lambda x: torch.nn.functional.dropout(x, 0.5)),
    "noise": lambda: Functional(lambda x: x + torch.randn_like(x)),
}


@pytest.mark.parametrize("fault", TRAINING)
def test_what_is_left_in_training_mode(fault: str, target: Path) -> None:
    torch.manual_seed(0)
    message = refused(TRAINING[fault](), target, example=torch.rand(8, 4))
    words = ("statistics", "training mode") if "normalisation" in fault else ("random", "training mode")
    assert any(word in message for word in words)


# ---- in torch's exporter, or between the stages --------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["simplify", "stamp", "verify"])
def test_a_weight_that_changes_after_tracing(
    moment: str, dense: torch.nn.Module, rows: torch.Tensor, target: Path
) -> None:
    """Once, as that stage begins: the caller's own code is told of the stages, and holds the module."""
    module = copy.deepcopy(dense)
    changed: list[str] = []

    def change(stage: str) -> None:
        if moment in stage and not changed:
            changed.append(stage)
            module.get_parameter("2.weight").data[0].add_(0.01)

    assert "differs from torch" in refused(module, target, example=rows, simplifier="onnxslim", on_stage=change)
    assert changed


def edited(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        model = onnx.load(path)
        change(model)
        onnx.save(model, path)

    return edit


def freeze_the_batch_at_1(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1


def bake_a_batch_of_1(model: onnx.ModelProto) -> None:
    """The axis is still declared free; within, rows are added up into one."""
    name = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["one_row" if entry == name else entry for entry in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 4], np.int64), "one_row_shape"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first_axis"))
    model.graph.node.insert(0, helper.make_node("ReduceMean", [name, "first_axis"], ["one_row"], keepdims=1))


def permute_classes(model: onnx.ModelProto) -> None:
    """The first output comes out in another order of its classes."""
    name = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["as_it_was" if entry == name else entry for entry in node.output]
        node.input[:] = ["as_it_was" if entry == name else entry for entry in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 0, 2], np.int64), "order"))
    model.graph.node.append(helper.make_node("Gather", ["as_it_was", "order"], [name], axis=1))


def exchange_outputs(model: onnx.ModelProto) -> None:
    """Two outputs under each other's names."""
    first, second = (value.name for value in model.graph.output)
    names = {first: second, second: first}
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
        node.input[:] = [names.get(name, name) for name in node.input]


def change_a_weight(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 2)
    values = numpy_helper.to_array(tensor).copy()
    values[1, 1] += 0.01
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def lose_the_card(model: onnx.ModelProto) -> None:
    kept = [entry for entry in model.metadata_props if entry.key != CARD_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)]) and None


def change_the_card(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            entry.value = entry.value.replace('"a","b","c"', '"b","a","c"')


def garble_the_card(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            entry.value = entry.value[:50]


ANOTHER_CARD = "The card that was read back from the file is not"

# the stage that does it, the damage, what the refusal says
IN_THE_FILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "an axis frozen at 1": ("trace", edited(freeze_the_batch_at_1), "does not run at batch size 2"),
    "an axis frozen at 1 within": ("trace", edited(bake_a_batch_of_1), "in the file, but"),
    "classes permuted": ("trace", edited(permute_classes), "differs from torch by"),
    "classes permuted by the stamp": ("stamp", edited(permute_classes), "differs from torch by"),
    "outputs exchanged": ("trace", edited(exchange_outputs), "differs from torch by"),
    "outputs of other shapes exchanged": ("trace", edited(exchange_outputs), "in the file, but"),
    "an output lost": ("trace", edited(lambda model: model.graph.output.pop()), "are missing"),
    "a weight changed": ("trace", edited(change_a_weight), "differs from torch by"),
    "a weight changed by the stamp": ("stamp", edited(change_a_weight), "differs from torch by"),
    "a weight changed behind the simplifier's back": ("simplify", edited(change_a_weight), "differs from torch by"),
    "the card lost": ("stamp", edited(lose_the_card), ANOTHER_CARD),
    "the card changed": ("stamp", edited(change_the_card), ANOTHER_CARD),
    "the card garbled": ("stamp", edited(garble_the_card), "The card cannot be read back after"),
    "cut short by the trace": ("trace", cut(0.5), "after the stage 'trace'"),
    "emptied by the trace": ("trace", cut(0), "after the stage 'trace'"),
    "cut short by the stamp": ("stamp", cut(0.9), "after the stage 'stamp'"),
    "its last byte lost": ("stamp", lambda path: cut(1 - 1 / path.stat().st_size)(path), "after the stage 'stamp'"),
    "emptied": ("stamp", cut(0), "after the stage 'stamp'"),
}


@pytest.mark.parametrize("fault", IN_THE_FILE)
def test_a_stage_that_damages_the_file(
    fault: str, dense: torch.nn.Module, rows: torch.Tensor, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses
    import importlib

    pipeline: Any = importlib.import_module("exporters.pipeline")
    name, harm, words = IN_THE_FILE[fault]
    whole = pipeline.plan

    def plan(*arguments: Any) -> Any:
        def harmful(job: Any, run: Any) -> Any:
            result = run(job)
            harm(job.path)
            if name == "trace":
                # as of a stage that changes the file, which is then compared
                return dataclasses.replace(result, job=dataclasses.replace(result.job, parity=None))
            return result

        stages = whole(*arguments)
        assert name in [stage.name for stage in stages]
        return tuple(
            dataclasses.replace(stage, run=lambda job, run=stage.run: harmful(job, run))
            if stage.name == name
            else stage
            for stage in stages
        )

    monkeypatch.setattr(pipeline, "plan", plan)
    # outputs of equal shape, so that only the numbers tell them apart
    twins = Twins(dense) if fault == "outputs exchanged" else dense
    task = {} if fault == "outputs exchanged" else {"task": "classification", "labels": ["a", "b", "c"]}
    simplifier = "onnxslim" if name == "simplify" else "none"
    assert words in refused(twins, target, example=rows, simplifier=simplifier, **task)


class Twins(torch.nn.Module):
    """Two outputs of one shape."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 4) -> (N, 3), (N, 3)."""
        y = self.inner(x)
        return y.relu(), -y


# ---- in the simplifier ---------------------------------------------------------------------------------------------------

ANOTHER_GRAPH = """
import sys, onnx
from onnx import helper, numpy_helper, TensorProto
model = onnx.load(sys.argv[2])
graph = model.graph
name = graph.input[0].name
shapes = {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim][1] for value in graph.output}
del graph.node[:]
graph.node.append(helper.make_node("ReduceSum", [name, "axis"], ["sum"], keepdims=1))
import numpy
graph.initializer.append(numpy_helper.from_array(numpy.array([1], numpy.int64), "axis"))
for output, width in shapes.items():
    graph.initializer.append(numpy_helper.from_array(numpy.ones((1, width), numpy.float32), "ones_" + output))
    graph.node.append(helper.make_node("Mul", ["sum", "ones_" + output], [output]))
onnx.save(model, sys.argv[3])
"""
EATS_MEMORY = "hoard = []\nwhile True:\n    hoard.append(bytearray(b'x' * 50_000_000))\n"
CRASHES = "import os\nos.abort()\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (ANOTHER_GRAPH, "changed the results"),
        (EATS_MEMORY, "took more than 1.5 GB of memory"),
        (CRASHES, "failed (exit code -6)"),
    ],
    ids=["another graph", "eats memory", "crashes"],
)
def test_a_simplifier_that_goes_wrong_is_left_out_and_the_export_is_right(
    body: str, words: str, dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is written is the one from before the simplifier, and the report says why."""
    import importlib

    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "simplify_child.py").write_text(body, encoding="utf-8")
    monkeypatch.setattr(
        importlib.import_module("exporters.simplifying.simplify"), "__file__", str(tmp_path / "tools" / "simplify.py")
    )
    task = {"task": "classification", "labels": ["a", "b", "c"]}
    report = export(dense, tmp_path / "a.onnx", example=rows, simplifier="onnxsim", **task)
    stage = next(stage for stage in report.stages if stage.name == "simplify")
    assert stage.note.startswith("left as it was: ")
    assert words in stage.note
    assert stage.note in str(report)
    found = runtime.load(report.path, "cpu").run({"input": rows.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found["probabilities"], dense(rows).softmax(1).numpy(), rtol=1e-4, atol=1e-6)


# ---- afterwards ----------------------------------------------------------------------------------------------------------


def test_what_happens_to_the_file_later_is_found_by_a_check(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path
) -> None:
    task = {"task": "classification", "labels": ("a", "b", "c")}
    export(dense, tmp_path / "a.onnx", example=rows, simplifier="none", **task)
    whole = (tmp_path / "a.onnx").read_bytes()
    for fault in ("classes permuted", "a weight changed by the stamp", "an axis frozen at 1 within"):
        (tmp_path / "a.onnx").write_bytes(whole)
        IN_THE_FILE[fault][1](tmp_path / "a.onnx")
        with pytest.raises(CheckFailed):
            check(tmp_path / "a.onnx", dense, example=rows)
    (tmp_path / "a.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match=r"a.onnx is not an ONNX model"):
        check(tmp_path / "a.onnx", dense, example=rows)


def test_int8_calibrated_with_inputs_that_were_not_normalised(checkpoint: Path, target: Path, tmp_path: Path) -> None:
    """Grey levels from 0 to 255 where the network takes numbers from 0 to 1."""
    samples = Checkpoint.load(checkpoint).samples.numpy()
    np.savez(tmp_path / "raw.npz", data=samples * 255)
    settings = {"precision": "int8", "calibration": tmp_path / "raw.npz", "allow_slower": True}
    with pytest.raises((CheckFailed, InputError), match="calibration"):
        export(checkpoint, target, simplifier="none", **settings)


def test_the_same_export_without_a_fault_passes(dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path) -> None:
    """What the tests above refuse is refused for its fault."""
    export(dense, tmp_path / "a.onnx", example=rows, simplifier="none")
    export(Twins(dense), tmp_path / "b.onnx", example=rows, simplifier="none")
    steady = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.5))
    export(steady, tmp_path / "c.onnx", example=torch.rand(8, 4), simplifier="none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "c.onnx"]

"""An export is verified or it is refused: good ones are run, planted faults are caught, and no fault leaves a file."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import exporters
import runtime
from exporters import export
from exporters.job import ExportJob, Stage, StageResult
from exporters.report import Report
from exporters.settings import Tolerance
from exporters.tracing.routes import torch_export
from runtime.card import ImageInput
from runtime.errors import CheckFailed, CheckpointError, InputError, SpecError, ToolkitError
from toolkit import nn
from toolkit.data.readers.digits import digit_pictures
from toolkit.training.checkpoints.checkpoint import Checkpoint

REPOSITORY = Path(__file__).resolve().parents[2]


# ---- what a good export is -----------------------------------------------------------------------------------------------


def test_one_file_is_written_and_every_stage_was_measured(exported: tuple[Report, list[str]]) -> None:
    report, _ = exported
    assert [path.name for path in report.path.parent.iterdir()] == ["model.onnx"]
    assert all(0 < stage.worst_difference < 1e-5 for stage in report.stages)
    assert report.parity.batch_sizes == (1, 2, 5)
    assert report.parity.samples == 16
    assert report.parity.labels_agree == 1
    assert report.notes == ()


def test_the_card_in_the_file_holds_preparation_labels_training_and_parity(
    exported: tuple[Report, list[str]], checkpoint: Path
) -> None:
    report, _ = exported
    card, known = runtime.load(report.path, "cpu").card, Checkpoint.load(checkpoint).card
    assert card is not None
    assert card.inputs == known.inputs
    assert isinstance(card.inputs[0], ImageInput)
    assert card.labels == tuple("0123456789")
    assert [(entry.name, entry.role) for entry in card.outputs] == [
        ("probabilities", "probabilities"), ("embedding", "embedding"),
    ]  # fmt: skip
    assert card.training["measured"] == known.training["measured"]
    assert card.parity == report.parity.to_dict()


@pytest.mark.parametrize("size", [1, 3, 16, 100])
def test_any_batch_size_gives_torchs_probabilities_and_embeddings(
    exported: tuple[Report, list[str]], checkpoint: Path, size: int
) -> None:
    """On pictures that were in no sample, with the embedding that the last linear layer takes in."""
    pictures, _ = digit_pictures()
    x = (pictures[500 : 500 + size, None] / 255).astype(np.float32)
    model = runtime.load(exported[0].path, "cpu")
    assert all(tensor.shape[0] == "batch" for tensor in (*model.inputs, *model.outputs))
    found = model.run({"input": x})
    network = Checkpoint.load(checkpoint).network().eval()
    with torch.no_grad():
        embedding = network[:-2](torch.from_numpy(x))
        probabilities = network(torch.from_numpy(x))
    assert isinstance(network[-2], torch.nn.Linear)
    np.testing.assert_allclose(found["embedding"], embedding.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], probabilities.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.embed(pictures[500 : 500 + size, None]), found["embedding"], rtol=1e-4, atol=1e-6)


def test_nothing_of_this_machine_is_in_the_file(exported: tuple[Report, list[str]]) -> None:
    content = exported[0].path.read_bytes()
    for words in (str(REPOSITORY), str(Path.home() / "."), "site-packages", "Traceback", 'File "', ".py", "/tmp/"):
        assert words.encode() not in content


def test_a_module_left_in_training_mode_is_exported_in_evaluation_mode(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5)).train()
    for _ in range(5):
        module(torch.randn(16, 4) * 2 + 1)
    x = torch.randn(9, 4)
    export(module, tmp_path / "a.onnx", example=x, simplifier="none")
    model = runtime.load(tmp_path / "a.onnx", "cpu")
    first, second = (model.run({"input": x.numpy()})["output"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    with torch.no_grad():
        np.testing.assert_allclose(first, module.eval()(x).numpy(), rtol=1e-4, atol=1e-5)
    assert "Dropout" not in [node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node]


@pytest.mark.parametrize("outputs", [["logits"], ["embedding", "logits", "probabilities"]])
def test_other_outputs_can_be_asked_for_in_any_order(checkpoint: Path, tmp_path: Path, outputs: list[str]) -> None:
    report = export(checkpoint, tmp_path / "a.onnx", outputs=outputs, simplifier="none")
    model = runtime.load(report.path, "cpu")
    assert [tensor.name for tensor in model.outputs] == outputs
    x = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    network = Checkpoint.load(checkpoint).network().eval()
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.run({"input": x})["logits"], logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("softmax", [False, True])
def test_a_module_with_labels_predicts_whether_it_ends_in_logits_or_probabilities(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path, softmax: bool
) -> None:
    module = torch.nn.Sequential(dense, torch.nn.Softmax(1)) if softmax else dense
    export(module, tmp_path / "a.onnx", example=rows, task="classification", labels=["a", "b", "c"], simplifier="none")
    found = runtime.load(tmp_path / "a.onnx", "cpu").predict(rows.numpy())
    with torch.no_grad():
        expected = dense(rows).softmax(1)
    assert [entry.label for entry in found] == ["abc"[index] for index in expected.argmax(1)]
    np.testing.assert_allclose([entry.probabilities for entry in found], expected.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        runtime.load(tmp_path / "a.onnx", "cpu").embed(rows.numpy()),
        dense[:2](rows).detach().numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_several_inputs_and_a_dictionary_of_outputs(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.linear = torch.nn.Embedding(10, 4), torch.nn.Linear(3, 4)

        def forward(self, tokens: torch.Tensor, x: torch.Tensor) -> dict[str, Any]:
            words, numbers = self.words(tokens).mean(1), self.linear(x)
            return {"mix": words * numbers, "parts": (words, numbers)}

    torch.manual_seed(0)
    module, tokens, x = Two(), torch.randint(0, 10, (4, 5)), torch.rand(4, 3)
    report = export(module, tmp_path / "a.onnx", example=(tokens, x), simplifier="none")
    assert list(report.parity.worst) == ["mix", "parts.0", "parts.1"]
    model = runtime.load(tmp_path / "a.onnx", "cpu")
    assert [(tensor.name, tensor.dtype) for tensor in model.inputs] == [("tokens", "int64"), ("x", "float32")]
    found = model.run({"tokens": tokens.numpy()[:1], "x": x.numpy()[:1]})
    with torch.no_grad():
        expected = module(tokens[:1], x[:1])
    np.testing.assert_allclose(found["mix"], expected["mix"].numpy(), rtol=1e-5, atol=1e-6)


def test_a_regression_is_exported_with_the_names_of_its_targets(tmp_path: Path) -> None:
    model = nn("reg", tmp_path)
    model.set_seed(0)
    random = np.random.default_rng(0)
    model.load_dataset(random.random((20, 3)), random.random((20, 2)), classes=["height", "width"])
    model.add("linear", size=2)
    model.save(tmp_path / "a.pth")
    report = export(tmp_path / "a.pth", simplifier="none")
    assert report.path == tmp_path / "a.onnx"
    assert report.parity.labels_agree is None
    found = runtime.load(report.path, "cpu").predict(np.ones(3, np.float32))
    assert found.names == ("height", "width")
    np.testing.assert_allclose(found.values, model.inference([[1.0, 1.0, 1.0]])[0], rtol=1e-5)


def test_a_fixed_batch_is_that_of_the_example(dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path) -> None:
    report = export(dense, tmp_path / "a.onnx", example=rows, dynamic=(), simplifier="none")
    assert report.parity.batch_sizes == (7,)
    with pytest.raises(InputError, match=r"shape \(7, 4\) is expected"):
        runtime.load(tmp_path / "a.onnx", "cpu").run({"input": rows.numpy()[:2]})


def test_versions_that_are_asked_for_are_taken(dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path) -> None:
    report = export(dense, tmp_path / "a.onnx", example=rows, simplifier="none", opset_version=9, ir_version=4)
    model = onnx.load(tmp_path / "a.onnx")
    assert (report.opset, report.ir_version) == (model.opset_import[0].version, model.ir_version) == (9, 4)


def test_the_callers_module_and_folder_are_left_clean(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in dense.state_dict().items()}
    export(dense, tmp_path / "new" / "folder" / "a.onnx", example=rows, task="classification", simplifier="none")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["a.onnx"]
    assert all(torch.equal(before[name], tensor) for name, tensor in dense.state_dict().items())
    assert all(not module._forward_pre_hooks for module in dense.modules())


@pytest.mark.slow
def test_resnet18_is_exported_as_a_module(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    module = resnet18(num_classes=7)
    card = ImageInput(
        "input", "RGB", (64, 64), resize=72, crop=(64, 64), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    report = export(
        module, tmp_path / "a.onnx", example=torch.rand(3, 3, 64, 64), task="classification", inputs=[card],
        labels=[f"class {n}" for n in range(7)], simplifier="none",
    )  # fmt: skip
    assert report.parity.labels_agree == 1
    model = runtime.load(tmp_path / "a.onnx", "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (90, 80, 3), np.uint8)
    assert model.predict(picture).label.startswith("class ")
    assert model.embed(picture).shape == (512,)
    assert len(list(tmp_path.iterdir())) == 1


# ---- planted faults ------------------------------------------------------------------------------------------------------


def edit(path: Path, change: Callable[[onnx.ModelProto], Any]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def change_a_weight(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 2)
    values = numpy_helper.to_array(tensor).copy()
    values[1, 1] += 0.01
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def truncate(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"the file that was there before")
    return tmp_path / "model.onnx"


def harm_stage(monkeypatch: pytest.MonkeyPatch, name: str, harm: Callable[[Path], None]) -> None:
    """Let the stage of this name do its work, and then damage the file that it leaves."""
    whole = pipeline().plan

    def plan(*arguments: Any) -> Any:
        stages = whole(*arguments)
        assert name in [stage.name for stage in stages]
        return tuple(replace(stage, run=harmed(stage.run)) if stage.name == name else stage for stage in stages)

    def harmed(run: Stage) -> Stage:
        def harmful(job: ExportJob) -> StageResult:
            result = run(job)
            harm(job.path)
            measured = name not in ("trace", "simplify")
            return result if measured else replace(result, job=replace(result.job, parity=None))

        return harmful

    monkeypatch.setattr(pipeline(), "plan", plan)


def pipeline() -> Any:
    import importlib

    return importlib.import_module("exporters.pipeline")


def test_a_branch_on_the_batch_size_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if x.shape[0] > 4 else x - 1

    with pytest.raises(CheckFailed) as caught:
        export(Branch(), tmp_path / "a.onnx", example=torch.rand(3, 4), simplifier="none")
    assert "depends on the batch size" in str(caught.value)
    assert str(caught.value).endswith(f"Nothing was written to {tmp_path / 'a.onnx'}.")
    assert list(tmp_path.iterdir()) == []


def test_results_that_are_random_or_have_no_array_are_refused(tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        def __init__(self, result: Callable[[torch.Tensor], Any]) -> None:
            super().__init__()
            self.result = result

        def forward(self, x: torch.Tensor) -> Any:
            return self.result(x)

    for result in (torch.rand_like, torch.Tensor.bfloat16):
        with pytest.raises(CheckFailed, match="The export was refused"):
            export(Odd(result), tmp_path / "a.onnx", example=torch.rand(3, 4), simplifier="none")
    with pytest.raises(SpecError, match="'b' is a str"):
        export(Odd(lambda x: {"a": x, "b": "3"}), tmp_path / "a.onnx", example=torch.rand(3, 4), simplifier="none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"opset_version": 27}, SpecError, "could not be compared with torch"),
        ({"ir_version": 99}, SpecError, "The IR version 99 cannot be written here"),
        ({"tolerance": Tolerance(-1.0, 0.0)}, CheckFailed, "The export was refused"),
    ],
)
def test_what_the_runtime_cannot_open_or_the_tolerance_forbids_is_refused(
    dense: torch.nn.Module,
    rows: torch.Tensor,
    old_file: Path,
    arguments: dict[str, Any],
    error: type[ToolkitError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        export(dense, old_file, example=rows, simplifier="none", **arguments)
    assert [path.name for path in old_file.parent.iterdir()] == ["model.onnx"]
    assert old_file.read_bytes() == b"the file that was there before"


def test_an_interruption_leaves_nothing(
    dense: torch.nn.Module, rows: torch.Tensor, old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path) -> None:
        truncate(path, 0.5)
        raise KeyboardInterrupt

    harm_stage(monkeypatch, "trace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(dense, old_file, example=rows)
    assert [path.name for path in old_file.parent.iterdir()] == ["model.onnx"]


def test_a_simplifier_that_is_reverted_is_told_in_the_report(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    monkeypatch.setattr(
        importlib.import_module("exporters.simplifying.simplify"), "__file__", str(tmp_path / "none" / "simplify.py")
    )
    report = export(dense, tmp_path / "a.onnx", example=rows, task="classification")
    assert report.stages[1].note.startswith("left as it was: onnxslim failed (")
    assert "onnxsim failed (" in report.stages[1].note
    assert str(report).count("left as it was") == 1
    assert (tmp_path / "a.onnx").is_file()


@pytest.mark.parametrize("target", ["", "."])
def test_a_folder_is_no_target(dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError, match="is a folder; a file name is expected"):
        export(dense, tmp_path / target, example=rows)


def test_the_checkpoint_is_not_overwritten_by_its_export(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    with pytest.raises(SpecError, match="is the checkpoint itself"):
        export(checkpoint, checkpoint.parent / ".." / checkpoint.parent.name / checkpoint.name)
    assert checkpoint.read_bytes() == before


def test_what_is_no_checkpoint_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"noise")
    with pytest.raises(CheckpointError):
        export(tmp_path / "a.pth")
    with pytest.raises(SpecError, match="No output file was given"):
        export(torch.nn.Linear(2, 2), example=torch.rand(2, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_the_public_names_are_there() -> None:
    assert set(exporters.__all__) == {"Comparison", "Report", "check", "compare_networks", "export", "plan_export"}
    assert exporters.Report is Report
    with pytest.raises(AttributeError, match="has no attribute 'exprot'"):
        exporters.exprot  # noqa: B018


def test_a_disk_that_is_full_is_said_whatever_the_route(
    dense: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch_export, "_write", full)
    with pytest.raises(InputError, match=r"No space left on device\. Free some space"):
        export(dense, tmp_path / "a.onnx", example=torch.rand(3, 4))
    assert list(tmp_path.iterdir()) == []


def test_a_difference_that_the_tolerance_hides_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    tiny = torch.nn.Linear(4, 3)
    with torch.no_grad():
        tiny.weight *= 1e-7
        tiny.bias *= 0
    x = torch.randn(3, 4)
    good = export(tiny, tmp_path / "good.onnx", example=x, simplifier="none")
    assert not any("tolerance hides" in note for note in good.notes)

    def double(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(tensor), tensor.name))

    harm_stage(monkeypatch, "trace", lambda path: edit(path, double))
    report = export(tiny, tmp_path / "bad.onnx", example=x, simplifier="none")
    assert "the output 'output' is so small that the tolerance hides it" in report.notes[-1]
    assert "100.0%" in report.notes[-1]
    with pytest.raises(CheckFailed, match="differs from torch"):
        export(tiny, tmp_path / "worse.onnx", example=x, simplifier="none", tolerance=Tolerance(0.0, 1e-5))

"""Lower precisions: what is kept, what is refused, and with which table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from exporters import export
from exporters.job import ExportJob
from exporters.precision import change_precision
from exporters.precision.latency import Latency
from exporters.settings import make_settings
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References
from runtime import load
from runtime.errors import CheckFailed, InputError, SpecError
from runtime.session import Session
from toolkit import nn
from toolkit.data.readers.digits import digit_pictures

MakeWork = Callable[..., ExportJob]


@pytest.fixture(scope="session")
def convolutions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a classifier of digits with two convolutions."""
    folder = tmp_path_factory.mktemp("convolutions")
    pictures, labels = digit_pictures()
    model = nn("cls", folder)
    model.set_seed(0)
    model.load_dataset(pictures[:1000, None], labels[:1000], train_val_ratio=0.8)
    model.add("conv2d", size=(1, 16), kernel_size=3, padding=1, activation="relu")
    model.add("conv2d", size=(16, 64), kernel_size=3, padding=1, activation="relu")
    model.add("maxpool", kernel_size=2)
    model.add("linear", size=10, activation="softmax")
    model.train(lr=0.004, epochs=3, verbose=False, filename=None)
    return folder / "best.pth"


@pytest.fixture(scope="session")
def float32_file(convolutions: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Path]:
    """What is exported, and its float32 file."""
    path = tmp_path_factory.mktemp("float32") / "model.onnx"
    export(convolutions, path, simplifier="none")
    return make_subject(convolutions), path


@pytest.fixture
def make_work(float32_file: tuple[Subject, Path], tmp_path: Path) -> MakeWork:
    """A function that makes an export that has come as far as the precision: settings -> its state."""
    subject, source = float32_file

    def make(**settings: Any) -> ExportJob:
        asked = make_settings(settings)
        (tmp_path / "job").mkdir(exist_ok=True)
        path = tmp_path / "job" / "model.onnx"
        path.write_bytes(source.read_bytes())
        return ExportJob(subject, asked, path, References(subject, make_probes(subject)), asked.tolerance)

    return make


@pytest.fixture(scope="session")
def held_out_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 797 digits that no training saw, as pictures in class folders."""
    root = tmp_path_factory.mktemp("held_out")
    pictures, labels = digit_pictures()
    for number, (picture, label) in enumerate(zip(pictures[1000:], labels[1000:], strict=True)):
        folder = root / str(label)
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    return root


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Latency ratios by precision in place of measured ones: a test must not depend on what else the machine does."""
    ratios = {"fp32": 1.0, "fp16": 1.5, "int8": 0.4, "int8-dynamic": 2.0}

    def told(paths: dict[str, Path], _feeds: Any, _outputs: Any) -> dict[str, Latency]:
        return {name: Latency(ratio, ratio, ratio) for name in paths for ratio in [ratios.get(name, 0.5)]}

    monkeypatch.setattr("exporters.precision.stage.measure_latency", told)
    return ratios


def accuracy(path: Path, output: str = "probabilities") -> float:
    """Percent of the 797 held-out digits that the file gets right."""
    pictures, labels = digit_pictures()
    rows = pictures[1000:, None].astype(np.float32) / np.float32(255)
    found = Session(path, "cpu").run({"input": rows}, [output])[output]
    return 100 * float((found.argmax(1) == labels[1000:]).mean())


def test_int8_keeps_accuracy_and_shrinks(
    make_work: MakeWork, float32_file: tuple[Subject, Path], held_out_digits: Path, steady: dict[str, float]
) -> None:
    job = make_work(precision="int8", evaluation=held_out_digits, max_drop=1.0)
    result = change_precision(job)
    job, note = result.job, result.note
    facts = job.facts["precision"]
    assert facts["chosen"] == "int8" and note.startswith("int8: ")
    assert facts["data"]["labelled"] and "797 inputs" in facts["data"]["evaluation"]
    assert [entry["name"] for entry in facts["candidates"]] == ["fp32", "int8"]
    exact, small = (entry["right"] for entry in facts["candidates"])
    # what the table says is what a run of the files gives
    assert exact == pytest.approx(accuracy(float32_file[1]), abs=0.2)
    assert small == pytest.approx(accuracy(job.path), abs=0.2)
    assert exact - small <= 1.0
    assert job.path.stat().st_size < 0.45 * float32_file[1].stat().st_size
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in onnx.load(job.path).graph.node}
    # the file is verified against what was measured of it, not against float32's tolerance
    assert result.modified and job.tolerance.root_mean_square is not None and job.tolerance.root_mean_square < 0.2
    assert [entry.name for entry in job.path.parent.iterdir()] == ["model.onnx"]


def test_fp16_halves_the_file_and_keeps_float32_at_both_ends(make_work: MakeWork, steady: dict[str, float]) -> None:
    job = make_work(precision="fp16")
    job = change_precision(job).job
    session = Session(job.path, "cpu")
    assert {tensor.dtype for tensor in (*session.inputs, *session.outputs)} == {"float32"}
    weights = [tensor for tensor in onnx.load(job.path).graph.initializer if len(tensor.dims) > 1]
    assert weights and all(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in weights)
    assert job.facts["precision"]["candidates"][1]["error"] < 0.01
    assert list(job.notes) == [
        "fp16 takes 1.50 times as long as fp32 on this machine's CPU; it is for a device that computes in 16-bit floats"
    ]


def test_slower_is_refused_with_the_table(make_work: MakeWork, steady: dict[str, float]) -> None:
    job = make_work(precision="int8-dynamic", max_drop=5)
    before = job.path.read_bytes()
    with pytest.raises(CheckFailed) as refused:
        change_precision(job)
    text = str(refused.value)
    assert "int8-dynamic is not faster than fp32: 2.00 times its latency" in text
    assert all(word in text for word in ("precision", "drop", "size", "latency", "--allow-slower", "--precision auto"))
    assert job.path.read_bytes() == before
    allowed = make_work(precision="int8-dynamic", max_drop=5, allow_slower=True)
    allowed = change_precision(allowed).job
    assert allowed.facts["precision"]["chosen"] == "int8-dynamic"


def test_auto_takes_the_fastest_within_the_drop(
    make_work: MakeWork, held_out_digits: Path, steady: dict[str, float]
) -> None:
    job = make_work(precision="auto", max_drop=1.0, evaluation=held_out_digits)
    job = change_precision(job).job
    facts = job.facts["precision"]
    assert facts["chosen"] == "int8"
    assert [entry["name"] for entry in facts["candidates"]] == ["fp32", "fp16", "int8", "int8-dynamic"]
    assert "kept" in facts["table"]
    steady["int8"] = 1.2
    job = make_work(precision="auto", max_drop=1.0, evaluation=held_out_digits)
    before = job.path.read_bytes()
    result = change_precision(job)
    job = result.job
    assert result.note.startswith("fp32 is kept") and not result.modified
    assert job.path.read_bytes() == before and job.facts["precision"]["chosen"] == "fp32"


def test_worse_than_asked_is_refused(
    make_work: MakeWork, held_out_digits: Path, tmp_path: Path, steady: dict[str, float]
) -> None:
    pictures, _ = digit_pictures()
    dark = tmp_path / "dark.npz"
    np.savez(dark, data=pictures[:64, None].astype(np.float32) / 255 * 0.25)  # a quarter of the range that is needed
    job = make_work(precision="int8", calibration=dark, evaluation=held_out_digits)
    with pytest.raises(CheckFailed, match=r"points; 0\.3 are allowed") as refused:
        change_precision(job)
    assert "--max-drop" in str(refused.value) and "--calibration" in str(refused.value)


def test_layers_are_left_in_float_where_accuracy_needs_it(
    make_work: MakeWork, held_out_digits: Path, monkeypatch: pytest.MonkeyPatch, steady: dict[str, float]
) -> None:
    from exporters.precision import search

    exact = search.write_static

    def harsh(path: Path, output: Path, ranges: Path, *, keep_float: Any = (), **options: Any) -> None:
        exact(path, output, ranges, keep_float=keep_float, **options)
        if not keep_float:  # as if all layers in 8 bits ruined the network
            model = onnx.load(output)
            for tensor in model.graph.initializer:
                if tensor.name.endswith("_scale") and len(tensor.dims) == 1:
                    array = onnx.numpy_helper.to_array(tensor)
                    tensor.CopyFrom(onnx.numpy_helper.from_array(array[::-1] * 3, tensor.name))
            onnx.save(model, output)

    monkeypatch.setattr(search, "write_static", harsh)
    job = make_work(precision="int8", evaluation=held_out_digits, max_drop=1.0)
    job = change_precision(job).job
    facts = job.facts["precision"]
    assert [entry["name"] for entry in facts["candidates"]] == ["fp32", "int8", "int8, 1 in float"]
    assert facts["chosen"] == "int8, 1 in float" and len(facts["candidates"][-1]["float_layers"]) == 1


@pytest.mark.parametrize("shape", ["0 to 255", "not centred"])
def test_calibration_on_inputs_that_are_not_normalised_is_caught(
    shape: str, make_work: MakeWork, tmp_path: Path
) -> None:
    pictures, _ = digit_pictures()
    rows = pictures[:64, None].astype(np.float32)
    raw = tmp_path / "raw.npz"
    np.savez(raw, data=rows if shape == "0 to 255" else rows / 255 + 2)
    with pytest.raises(CheckFailed, match="not prepared as the network's own are"):
        change_precision(make_work(precision="int8", calibration=raw))


def test_the_part_held_out_in_training_is_found_again(
    held_out_digits: Path, tmp_path: Path, make_work: MakeWork, steady: dict[str, float]
) -> None:
    job = make_work(precision="int8", max_drop=3)
    split = {"validation": torch.arange(0, 797, 4), "same_source": True}
    data = {"source": str(held_out_digits), "examples": 797}
    job = replace(job, subject=replace(job.subject, recorded={"data": data, "split": split}))
    job = change_precision(job).job
    assert job.facts["precision"]["data"]["rows"] == 200
    assert "the validation part of" in job.facts["precision"]["data"]["evaluation"]
    gone = replace(job.subject, recorded={"data": {**data, "source": str(tmp_path / "gone")}, "split": split})
    job = make_work(precision="int8", max_drop=10)
    job = replace(job, subject=gone)
    job = change_precision(job).job
    assert "agreement with fp32 on 16 inputs" in job.facts["precision"]["data"]["evaluation"]


def test_int8_without_real_inputs_asks_for_some(make_work: MakeWork) -> None:
    job = make_work(precision="int8")
    job = replace(job, subject=replace(job.subject, real=False))
    with pytest.raises(InputError, match="--calibration"):
        change_precision(job)


def test_outputs_that_answer_no_task_are_all_compared(make_work: MakeWork, steady: dict[str, float]) -> None:
    job = make_work(precision="int8", max_drop=5)
    outputs = tuple(entry for entry in job.subject.card.outputs if entry.role == "embedding")
    job = replace(job, subject=replace(job.subject, card=replace(job.subject.card, outputs=outputs)))
    job.subject.module.cards = outputs
    try:
        job = replace(job, references=References(job.subject, make_probes(job.subject)))
        job = change_precision(job).job
    finally:
        job.subject.module.cards = make_work().subject.card.outputs
    assert job.facts["precision"]["measure"] == "R² against fp32"


@pytest.mark.slow
def test_a_whole_export_says_what_was_measured(
    convolutions: Path, held_out_digits: Path, tmp_path: Path, steady: dict[str, float]
) -> None:
    target = tmp_path / "int8.onnx"
    asked: dict[str, Any] = {"precision": "int8", "evaluation": held_out_digits, "max_drop": 1.0}
    report = export(convolutions, target, **asked)
    assert [stage.name for stage in report.stages][-3:] == ["precision", "stamp", "verify"]
    assert report.facts["precision"]["table"] in report.closing()
    assert json.loads(json.dumps(report.to_dict()))["facts"]["precision"]["chosen"] == "int8"
    card = Session(target, "cpu").card
    assert card is not None and card.parity["precision"]["name"] == "int8"
    found = load(target).predict(held_out_digits / "3")
    assert np.mean([entry.label == "3" for entry in found]) > 0.7
    steady["int8"] = 3.0
    before = target.read_bytes()
    with pytest.raises(CheckFailed, match=r"3\.00 times its latency"):
        export(convolutions, target, **asked)
    assert target.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]


@pytest.mark.slow
def test_values_without_labels_are_judged_by_agreement(tmp_path: Path, steady: dict[str, float]) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Tanh(), torch.nn.Linear(64, 3))
    report = export(module, tmp_path / "m.onnx", example=torch.randn(64, 16), precision="int8", task="regression")
    facts = report.facts["precision"]
    assert facts["measure"] == "R² against fp32" and not facts["data"]["labelled"]
    assert 99.7 < facts["candidates"][-1]["alike"] < 100


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precision": "int4"}, "'int4' was asked for"),
        ({"precision": "int8", "max_drop": -1}, "between 0 and 100"),
        ({"precision": "int8", "max_drop": "a"}, "between 0 and 100"),
    ],
)
def test_settings_that_there_are_not(
    settings: dict[str, Any], words: str, dense: Any, rows: Any, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=words):
        export(dense, tmp_path / "m.onnx", example=rows, **settings)


def test_data_that_cannot_be_read_is_named(dense: Any, rows: Any, tmp_path: Path) -> None:
    for name in ("calibration", "evaluation"):
        with pytest.raises(InputError, match=r"missing\.npz does not exist"):
            export(dense, tmp_path / "m.onnx", example=rows, precision="int8", **{name: tmp_path / "missing.npz"})
    assert not list(tmp_path.iterdir())

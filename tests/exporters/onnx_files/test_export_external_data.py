"""Models that are too large for one file: their weights lie beside them through every stage and in what is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from exporters.delivery.bundle import write_bundle
from exporters.delivery.model_page import model_page
from exporters.delivery.ort_format import write_ort
from exporters.delivery.triton import write_triton
from exporters.inspecting.inspection import inspect_file
from exporters.onnx_files.external_data import copy_model, external_names, inside_bytes, model_bytes, save_model
from exporters.pipeline import export
from exporters.subject.assembly import make_subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References
from runtime.errors import ModelFileError, SpecError
from runtime.session import Session
from runtime.session.external_data import EXTERNAL_DATA_KEY

LIMITED = (
    "exporters.onnx_files.external_data.SIZE_LIMIT_BYTES",
    "exporters.tracing.routes.torch_export.SIZE_LIMIT_BYTES",
    "exporters.delivery.ort_format.SIZE_LIMIT_BYTES",
)


def model_of(*weights: onnx.TensorProto) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Sum", [tensor.name for tensor in weights], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_weights_go_into_a_second_file_above_the_limit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [numpy_helper.from_array(np.full((32, 32), n, np.float32), name) for n, name in enumerate("ab")]
    path, data = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    save_model(model_of(*weights), path)
    assert not data.exists()
    assert model_bytes(path) == path.stat().st_size
    monkeypatch.setattr("exporters.onnx_files.external_data.SIZE_LIMIT_BYTES", 5000)
    save_model(model_of(*weights), path)
    assert data.stat().st_size >= 2 * 32 * 32 * 4
    assert path.stat().st_size < 1000
    assert model_bytes(path) == path.stat().st_size + data.stat().st_size
    np.testing.assert_array_equal(Session(path, "cpu").run({})["y"], np.full((32, 32), 1, np.float32))
    referring = onnx.load(path, load_external_data=False)
    assert external_names(referring) == {"m.onnx.data"}
    assert inside_bytes(referring) < 1000
    save_model(referring, path)  # refers to what is there already
    assert data.exists()
    save_model(model_of(weights[0]), path)
    assert not data.exists()


def test_a_copy_has_its_own_second_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.onnx_files.external_data.SIZE_LIMIT_BYTES", 1000)
    source, target = tmp_path / "a.onnx", tmp_path / "b" / "model.onnx"
    target.parent.mkdir()
    save_model(model_of(numpy_helper.from_array(np.ones((32, 32), np.float32), "w")), source)
    copy_model(source, target)
    source.with_name("a.onnx.data").unlink()
    assert Session(target, "cpu").run({})["y"].sum() == 1024
    with pytest.raises(ModelFileError, match="copy the two together"):
        Session(source, "cpu")


def test_an_export_above_the_limit_holds_through_every_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIMITED:
        monkeypatch.setattr(name, 20_000)
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 4)).eval()
    example = torch.randn(5, 64)
    path = tmp_path / "large.onnx"
    report = export(module, path, example=example, task="classification", keep_stages=tmp_path / "stages")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["large.onnx", "large.onnx.data", "stages"]
    assert report.stages[-1].bytes == model_bytes(path) > 36_000
    assert any("too large to simplify" in stage.note for stage in report.stages)
    session = Session(path, "cpu")
    assert EXTERNAL_DATA_KEY in session.metadata
    assert not inspect_file(path).warnings
    for stage in (tmp_path / "stages").glob("*.onnx"):
        assert Session(stage, "cpu").run({"input": example.numpy()})
    subject = make_subject(module, example=example)
    references = References(subject, make_probes(subject))
    bundle = write_bundle(report, tmp_path / "bundle", References(report_subject(module, example), references.probes))
    assert (bundle / "model.onnx.data").is_file()
    assert "`large.onnx.data`" in model_page(report)
    for copy in (bundle / "model.onnx", write_triton(report, tmp_path / "models") / "1" / "model.onnx"):
        np.testing.assert_array_equal(
            Session(copy, "cpu").run({"input": example.numpy()})["probabilities"],
            session.run({"input": example.numpy()})["probabilities"],
        )
        assert not inspect_file(copy).warnings
    with pytest.raises(SpecError, match="ORT format holds up to"):
        write_ort(report, references)
    data = path.with_name("large.onnx.data")
    data.write_bytes(bytes(data.stat().st_size))
    assert any("SHA-256 digests differ" in warning for warning in inspect_file(path).warnings)


def report_subject(module: torch.nn.Module, example: torch.Tensor) -> object:
    from exporters.settings import ExportSettings

    return make_subject(module, example=example, settings=ExportSettings(task="classification"))


def test_a_smaller_export_leaves_no_weights_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, path = torch.nn.Linear(64, 64), tmp_path / "m.onnx"
    with monkeypatch.context() as patched:
        for name in LIMITED:
            patched.setattr(name, 1000)
        export(module, path, example=torch.randn(3, 64))
        assert path.with_name("m.onnx.data").is_file()
    export(module, path, example=torch.randn(3, 64))
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]

"""Weights in a second file: one that is missing, cut or another one is found out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime.errors import ModelFileError
from runtime.session import Session
from runtime.session.describe import describe_file
from runtime.session.external_data import (
    EXTERNAL_DATA_KEY,
    check_external_data,
    describe_external_data,
    told_external_data,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """(N, 64) @ weights, which lie in model.onnx.data."""
    path = tmp_path / "model.onnx"
    weights = numpy_helper.from_array(np.eye(64, dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path, save_as_external_data=True, location="model.onnx.data")
    told = describe_external_data(path.with_name("model.onnx.data"))
    made = onnx.load(path, load_external_data=False)
    helper.set_model_props(made, {EXTERNAL_DATA_KEY: told.to_json()})
    onnx.save(made, path)
    return path


def test_a_whole_pair_opens_and_is_described(model: Path) -> None:
    session = Session(model, "cpu")
    rows = np.ones((2, 64), np.float32)
    np.testing.assert_array_equal(session.run({"x": rows})["y"], rows)
    told = check_external_data(model, session.metadata, digest=True)
    assert told is not None
    assert (told.name, told.bytes) == ("model.onnx.data", 64 * 64 * 4)
    facts, text = describe_file(model)
    assert facts["external_data"]["sha256"] == told.sha256
    assert "weights  in model.onnx.data beside it, 16.4 kB" in text
    assert EXTERNAL_DATA_KEY not in facts["metadata"]


def test_a_model_alone_says_what_is_missing(model: Path) -> None:
    model.with_name("model.onnx.data").unlink()
    with pytest.raises(ModelFileError, match="copy the two together"):
        Session(model, "cpu")


def test_a_cut_file_is_refused(model: Path) -> None:
    data = model.with_name("model.onnx.data")
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        Session(model, "cpu")


def test_a_file_of_another_size_is_refused(model: Path) -> None:
    data = model.with_name("model.onnx.data")
    data.write_bytes(data.read_bytes() + b"more")
    with pytest.raises(ModelFileError, match=r"has 16388 bytes; .* was written with a file of 16384 bytes"):
        Session(model, "cpu")


def test_other_weights_of_the_same_size_are_told_by_their_digest(model: Path) -> None:
    data = model.with_name("model.onnx.data")
    data.write_bytes(bytes(len(data.read_bytes())))
    metadata = Session(model, "cpu").metadata
    check_external_data(model, metadata)
    with pytest.raises(ModelFileError, match="SHA-256 digests differ"):
        check_external_data(model, metadata, digest=True)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "{}",
        '{"name": 1}',
        "[" * 5000,
        '{"name":"a","bytes":"x","sha256":""}',
        '{"name":"a","bytes":1e999,"sha256":""}',
    ],
)
def test_what_cannot_be_read_says_nothing(told: str) -> None:
    assert told_external_data({EXTERNAL_DATA_KEY: told}) is None


def test_a_name_outside_of_the_folder_is_not_followed(model: Path) -> None:
    for name in ("../model.onnx.data", "a" * 5000, "a\x00b", ""):
        told = json.dumps({"name": name, "bytes": 1, "sha256": ""})
        with pytest.raises(ModelFileError, match="does not lie beside it") as refused:
            check_external_data(model, {EXTERNAL_DATA_KEY: told})
        assert len(str(refused.value)) < 2000

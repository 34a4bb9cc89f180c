"""A Triton model repository: its layout, and a configuration that protobuf reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from onnx import TensorProto, helper, save

from exporters.delivery.triton import triton_config, write_triton
from exporters.report import Report
from runtime.errors import InputError, SpecError
from runtime.session import Session

_FIELD = descriptor_pb2.FieldDescriptorProto
# The fields of Triton's model_config.proto that are written here: message -> (field, type, whether repeated).
_MESSAGES: dict[str, list[tuple[str, Any, bool]]] = {
    "Reshape": [("shape", _FIELD.TYPE_INT64, True)],
    "Tensor": [
        ("name", _FIELD.TYPE_STRING, False),
        ("data_type", "DataType", False),
        ("dims", _FIELD.TYPE_INT64, True),
        ("reshape", "Reshape", False),
        ("label_filename", _FIELD.TYPE_STRING, False),
    ],
    "Batching": [("max_queue_delay_microseconds", _FIELD.TYPE_UINT64, False)],
    "ModelConfig": [
        ("name", _FIELD.TYPE_STRING, False),
        ("backend", _FIELD.TYPE_STRING, False),
        ("default_model_filename", _FIELD.TYPE_STRING, False),
        ("max_batch_size", _FIELD.TYPE_INT32, False),
        ("input", "Tensor", True),
        ("output", "Tensor", True),
        ("dynamic_batching", "Batching", False),
    ],
}
_TYPES = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "STRING",
)


def read_config(text: str) -> Any:
    """Parse a configuration as Triton does: what is misspelt or of another type raises."""
    file = descriptor_pb2.FileDescriptorProto(name="config.proto", syntax="proto3")
    values = [descriptor_pb2.EnumValueDescriptorProto(name=f"TYPE_{name}", number=n) for n, name in enumerate(_TYPES)]
    file.enum_type.add(name="DataType", value=values)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, repeated) in enumerate(fields, 1):
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                added.type = _FIELD.TYPE_ENUM if kind == "DataType" else _FIELD.TYPE_MESSAGE
                added.type_name = kind
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    config = message_factory.GetMessageClass(pool.FindMessageTypeByName("ModelConfig"))()
    return text_format.Parse(text, config)


def make_file(path: Path, inputs: Sequence[Any], outputs: Sequence[Any], kind: int = TensorProto.FLOAT) -> Session:
    """A file of these shapes, in which each output is the sum of an input over no axis."""
    nodes = [helper.make_node("Identity", [f"i{n}"], [f"o{n}"]) for n in range(len(outputs))]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(f"i{n}", kind, shape) for n, shape in enumerate(inputs)],
        [helper.make_tensor_value_info(f"o{n}", kind, shape) for n, shape in enumerate(outputs)],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return Session(path, "cpu")


def test_the_repository_is_laid_out_as_triton_wants_it(exported: tuple[Report, list[str]], tmp_path: Path) -> None:
    folder = write_triton(exported[0], tmp_path / "models", "digits-8x8")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    names = ("1/model.onnx", "config.pbtxt", "labels.txt")
    assert found == [f"models/digits-8x8/{name}" for name in names]
    config = read_config((folder / "config.pbtxt").read_text(encoding="utf-8"))
    assert (config.name, config.backend, config.max_batch_size) == ("digits-8x8", "onnxruntime", 64)
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert [(tensor.name, list(tensor.dims), tensor.label_filename) for tensor in config.output] == [
        ("probabilities", [10], "labels.txt"),
        ("embedding", [16], ""),
    ]
    assert (folder / "labels.txt").read_text(encoding="utf-8").split() == list(exported[0].card.labels)
    served = Session(folder / "1" / config.default_model_filename, "cpu")
    feeds = {tensor.name: np.zeros((3, *tensor.dims), np.float32) for tensor in config.input}
    assert {name: array.shape[1:] for name, array in served.run(feeds).items()} == {
        tensor.name: tuple(tensor.dims) for tensor in config.output
    }


def test_an_earlier_model_is_replaced_and_another_folder_is_not(exported: Any, tmp_path: Path) -> None:
    folder = write_triton(exported[0], tmp_path)
    (folder / "config.pbtxt").write_text("old", encoding="utf-8")
    assert write_triton(exported[0], tmp_path) == folder
    assert folder.name == exported[0].path.stem
    read_config((folder / "config.pbtxt").read_text(encoding="utf-8"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"has no config.pbtxt"):
        write_triton(exported[0], tmp_path, "mine")


@pytest.mark.parametrize("name", ["a/b", "..", "", " ", 'a"b'])
def test_a_name_that_triton_does_not_take_is_refused(exported: Any, tmp_path: Path, name: str) -> None:
    if name:
        with pytest.raises(SpecError, match="name"):
            write_triton(exported[0], tmp_path, name)
    else:
        assert write_triton(exported[0], tmp_path, name).name == exported[0].path.stem


@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "dims"),
    [
        ([("batch", 3)], [("batch", 3)], 64, [[3]]),
        ([("batch", "length", 3)], [("batch", "length", 3)], 64, [[-1, 3]]),
        ([("batch",)], [("batch",)], 64, [[1]]),
        ([(4, 3)], [(4, 3)], 0, [[4, 3]]),
        ([("batch", 3), ("rows", 2)], [("batch", 3)], 0, [[-1, 3], [-1, 2]]),
    ],
    ids=["batch", "free length", "a number a row", "fixed", "two batches"],
)
def test_only_a_batch_that_all_share_is_joined(inputs: Any, outputs: Any, size: int, dims: Any, tmp_path: Path) -> None:
    config = read_config(triton_config(make_file(tmp_path / "m.onnx", inputs, outputs), "m"))
    assert config.max_batch_size == size
    assert config.HasField("dynamic_batching") == (size > 0)
    assert [list(tensor.dims) for tensor in config.input] == dims
    assert config.input[0].HasField("reshape") == (inputs == [("batch",)])


def test_every_dtype_has_a_type_of_triton(tmp_path: Path) -> None:
    for kind, name in ((TensorProto.FLOAT16, "FP16"), (TensorProto.INT64, "INT64"), (TensorProto.UINT8, "UINT8")):
        text = triton_config(make_file(tmp_path / "m.onnx", [("n", 2)], [("n", 2)], kind), "m")
        assert f"data_type: TYPE_{name}\n" in text
        read_config(text)
    with pytest.raises(SpecError, match="Triton has no type"):
        triton_config(make_file(tmp_path / "m.onnx", [("n", 2)], [("n", 2)], TensorProto.BFLOAT16), "m")


def test_labels_that_are_no_lines_are_left_out(exported: Any, tmp_path: Path) -> None:
    report = exported[0]
    card = replace(report.card, labels=("a\nb", *report.card.labels[1:]))
    folder = write_triton(replace(report, card=card), tmp_path)
    assert not (folder / "labels.txt").exists()
    assert "label_filename" not in (folder / "config.pbtxt").read_text(encoding="utf-8")

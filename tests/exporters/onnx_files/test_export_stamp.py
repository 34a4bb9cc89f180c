"""The stamp: the card inside, ONNX's own picture keys, and nothing of the machine it was made on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exporters.onnx_files.stamp import image_metadata, stamp
from exporters.subject.subject import Subject
from exporters.verifying.probes import make_probes
from exporters.verifying.verify import References, compare
from runtime.card import CARD_KEY, ArrayInput, ImageInput, ModelCard
from runtime.session import Session

Traced = tuple[Subject, Path]
REPOSITORY = Path(__file__).resolve().parents[3]


def picture(**changes: object) -> ModelCard:
    entry = ImageInput(**{"name": "input", "color": "RGB", "size": (8, 8), **changes})  # type: ignore[arg-type]
    return ModelCard("classification", (entry,))


def test_the_card_is_read_back_by_the_runtime(traced: Traced) -> None:
    subject, path = traced
    stamp(path, subject.card)
    assert Session(path, "cpu").card == subject.card
    compare(References(subject, make_probes(subject, (1, 2))), path)


def test_stamping_twice_leaves_one_card(traced: Traced) -> None:
    subject, path = traced
    stamp(path, subject.card)
    first = path.read_bytes()
    stamp(path, subject.card)
    assert path.read_bytes() == first
    assert [entry.key for entry in onnx.load(path).metadata_props].count(CARD_KEY) == 1


def test_the_file_says_who_made_it(traced: Traced) -> None:
    subject, path = traced
    stamp(path, subject.card)
    model = onnx.load(path)
    assert model.producer_name == "onnx-edge-toolkit"
    assert model.producer_version == subject.card.producer["onnx-edge-toolkit"]


def test_the_exporters_stack_traces_are_taken_out(traced: Traced) -> None:
    subject, path = traced
    # what is to be taken out is really there before
    assert b"test_export" in path.read_bytes() or str(REPOSITORY).encode() in path.read_bytes()
    stamp(path, subject.card)
    content = path.read_bytes()
    for words in (str(REPOSITORY), "site-packages", "Traceback", 'File "', ".py", "stack_trace", "torch.nn"):
        assert words.encode() not in content


def test_graphs_inside_of_nodes_are_stripped_too(tmp_path: Path) -> None:
    """Branches and loops are graphs of their own."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])
    inner = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"], doc_string="/home/me/net.py")], "inner", [], [value]
    )
    inner.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value='File "/home/me/net.py", line 3')
    middle = helper.make_graph(
        [helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)], "middle", [], [value]
    )
    outer = helper.make_graph(
        [helper.make_node("If", ["flag"], ["y"], then_branch=middle, else_branch=inner)],
        "outer",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [value],
    )
    path = tmp_path / "a.onnx"
    onnx.save(helper.make_model(outer, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    stamp(path, ModelCard("raw", (ArrayInput("x", ()), ArrayInput("flag", (), "bool"))))
    assert b"net.py" not in path.read_bytes()
    found = Session(path, "cpu").run({"x": np.ones(2, np.float32), "flag": np.array(True)})
    assert found["y"].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (picture(), {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"}),
        (picture(color="grayscale"), {"Image.BitmapPixelFormat": "Gray8", "Image.NominalPixelRange": "Normalized_0_1"}),
        (picture(mean=(0.5,) * 3, std=(0.5,) * 3), {"Image.NominalPixelRange": "Normalized_1_1"}),
        (picture(scale=1.0), {"Image.NominalPixelRange": "NominalRange_0_255"}),
        (picture(mean=(0.4, 0.5, 0.6), std=(0.2,) * 3), {"Image.NominalPixelRange": None}),
    ],
)
def test_onnxs_own_keys_say_what_they_can(card: ModelCard, expected: dict[str, str | None]) -> None:
    found = image_metadata(card)
    assert found["Image.ColorSpaceGamma"] == "SRGB"
    for key, value in expected.items():
        assert found.get(key) == value


def test_inputs_that_are_no_pictures_have_no_picture_keys() -> None:
    assert image_metadata(ModelCard("raw", (ArrayInput("input", (4,)),))) == {}
    assert image_metadata(ModelCard("raw", (picture().inputs[0],) * 2)) == {}

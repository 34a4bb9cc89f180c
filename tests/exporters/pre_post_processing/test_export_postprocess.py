"""Steps behind the network in the file: softmax, the most probable classes, non-maximum suppression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import runtime
from exporters import export
from exporters.pre_post_processing import postprocess
from exporters.pre_post_processing.operators import Operators
from exporters.pre_post_processing.steps import Softmax, TopK, read_steps
from exporters.pre_post_processing.suppression import Suppression, suppress
from runtime.errors import CheckFailed, SpecError
from runtime.session import Session


class Boxes(torch.nn.Module):
    """(N, 5) -> boxes (N, 60, 4) of corners and scores (N, 60, 3), or (N, 3, 60) where `by_class`."""

    def __init__(self, by_class: bool = False) -> None:
        super().__init__()
        self.places = torch.nn.Linear(5, 240)
        self.scores = torch.nn.Linear(5, 180)
        self.by_class = by_class

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        corners = self.places(x).sigmoid().reshape(-1, 60, 4)
        boxes = torch.cat([corners[..., :2] * 60, corners[..., :2] * 60 + 20 + corners[..., 2:] * 30], dim=2)
        scores = self.scores(x).sigmoid().reshape(-1, 60, 3)
        return {"boxes": boxes, "scores": scores.transpose(1, 2) if self.by_class else scores}


def boxes_network(by_class: bool = False) -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return Boxes(by_class).eval(), torch.randn(6, 5)


def test_softmax_and_the_most_probable_classes(dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path) -> None:
    report = export(
        dense, tmp_path / "model.onnx", example=rows, simplifier="none", embed_postprocess=("softmax", "top-k:2")
    )
    found = Session(report.path, "cpu").run({"input": rows.numpy()})
    probabilities = dense(rows).softmax(1)
    values, indices = probabilities.topk(2)
    np.testing.assert_allclose(found["probabilities"], probabilities.detach(), atol=1e-6)
    np.testing.assert_allclose(found["top_probabilities"], values.detach(), atol=1e-6)
    np.testing.assert_array_equal(found["top_indices"], indices)
    assert found["top_indices"].dtype == np.int64
    assert [(entry.name, entry.role) for entry in report.card.outputs][1:] == [
        ("probabilities", "probabilities"),
        ("top_indices", "top_indices"),
        ("top_probabilities", "top_probabilities"),
    ]
    assert report.stages[-1].name == "verify"
    assert "top_indices" not in report.parity.worst


def test_predicting_goes_on_as_before(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "model.onnx", simplifier="none", embed_postprocess=("top-k:3",))
    model = runtime.load(report.path, "cpu")
    picture = np.full((8, 8), 90, np.uint8)
    result = model.predict(picture)
    session = model.session
    assert session.card is not None
    found = model.run({"input": np.full((1, 1, 8, 8), 90 / 255, np.float32)})
    assert [session.card.labels[index] for index in found["top_indices"][0]] == [name for name, _ in result.top(3)]


def suppressed(folder: Path, rule: Suppression, rows: bool) -> Session:
    """boxes and scores -> what suppression leaves of them, without a network."""
    operators = Operators("steps")
    names = ("selected", "selected_boxes", "selected_scores", "selected_classes")
    suppress(operators, "boxes", "scores", rows, rule, names)
    kinds = (TensorProto.INT64, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT64)
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in ("boxes", "scores")],
        [
            helper.make_tensor_value_info(name, kind, ["kept", *tail])
            for name, kind, tail in zip(names, kinds, ([3], [4], [], []), strict=True)
        ],
    ]
    graph = helper.make_graph(operators.nodes, "suppression", *values, operators.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "suppression.onnx")
    return Session(folder / "suppression.onnx", "cpu", threads=1)


@given(
    st.booleans(),
    st.sampled_from([0.1, 0.45, 0.7, 1.0]),
    st.sampled_from([0.0, 0.25, 0.6, 0.999]),
    st.sampled_from([1, 4, 1000]),
    st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 5)),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_suppression_is_torchvisions_picture_by_picture(
    tmp_path_factory: pytest.TempPathFactory,
    rows: bool,
    iou: float,
    score: float,
    most: int,
    shape: tuple[int, int, int],
    seed: int,
) -> None:
    from torchvision.ops import batched_nms

    pictures, anchors, classes = shape
    random = torch.Generator().manual_seed(seed)
    low = torch.rand(pictures, anchors, 2, generator=random) * 60
    boxes = torch.cat([low, low + 10 + 30 * torch.rand(pictures, anchors, 2, generator=random)], 2)
    # no two alike: which of equal ones comes first is nobody's promise
    places = torch.randperm(pictures * anchors * classes, generator=random)
    scores = ((places + 0.5) / len(places)).reshape(pictures, anchors, classes)
    session = suppressed(tmp_path_factory.mktemp("nms"), Suppression(iou, score, most), rows)
    given_scores = scores if rows else scores.transpose(1, 2).contiguous()
    found = session.run({"boxes": boxes.numpy(), "scores": given_scores.numpy()})
    expected = []
    for picture in range(pictures):
        place, kind = torch.where(scores[picture] > score)
        values = scores[picture][place, kind]
        kept = batched_nms(boxes[picture][place], values, kind, iou)[:most]
        expected += [(picture, int(kind[index]), int(place[index])) for index in kept]
    assert found["selected"].tolist() == [list(entry) for entry in expected]
    numbers, kinds, chosen = np.array(expected, np.int64).reshape(-1, 3).T
    np.testing.assert_array_equal(found["selected_boxes"], boxes.numpy()[numbers, chosen])
    np.testing.assert_array_equal(found["selected_scores"], scores.numpy()[numbers, chosen, kinds])
    np.testing.assert_array_equal(found["selected_classes"], kinds)


@pytest.mark.slow
@pytest.mark.parametrize("by_class", [False, True])
def test_suppression_behind_a_network(by_class: bool, tmp_path: Path) -> None:
    from torchvision.ops import batched_nms

    network, example = boxes_network(by_class)
    step = "nms:iou=0.3,score=0.5,max=30"
    report = export(network, tmp_path / "model.onnx", example=example, simplifier="none", embed_postprocess=(step,))
    session = Session(report.path, "cpu")
    found = session.run({session.inputs[0].name: example[:3].numpy()})
    result = network(example[:3])
    scores = result["scores"].transpose(1, 2) if by_class else result["scores"]  # (N, A, K)
    expected = []
    for picture in range(3):
        place, kind = torch.where(scores[picture] > 0.5)
        kept = batched_nms(result["boxes"][picture][place], scores[picture][place, kind], kind, 0.3)[:30]
        expected += [[picture, int(kind[index]), int(place[index])] for index in kept]
    assert found["selected"].tolist() == expected
    assert report.facts["postprocess"]["boxes"] > 0
    assert report.card.outputs[-1].role == "selected_classes"


@pytest.mark.slow
def test_suppression_without_any_box_is_said_to_be_unproved(tmp_path: Path) -> None:
    network, example = boxes_network()
    report = export(
        network, tmp_path / "model.onnx", example=example, simplifier="none", embed_postprocess=("nms:score=0.999",)
    )
    assert "verified on no box at all" in report.notes[-1]


@pytest.mark.slow
def test_boxes_of_centres(tmp_path: Path) -> None:
    class Centres(Boxes):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            found = super().forward(x)
            low, high = found["boxes"][..., :2], found["boxes"][..., 2:]
            return {"boxes": torch.cat([(low + high) / 2, high - low], 2), "scores": found["scores"]}

    torch.manual_seed(0)
    centres, example = Centres().eval(), boxes_network()[1]
    steps = ("nms:boxes=centres,score=0.5", "nms:score=0.5")
    selected = []
    for network, step in zip((centres, boxes_network()[0]), steps, strict=True):
        path = tmp_path / "model.onnx"
        export(network, path, example=example, simplifier="none", embed_postprocess=(step,))
        session = Session(path, "cpu")
        selected.append(session.run({session.inputs[0].name: example.numpy()})["selected"].tolist())
    assert selected[0] == selected[1]
    assert selected[0]


def test_a_step_that_gives_something_else_is_refused(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = postprocess.append_nodes

    def smallest(model: onnx.ModelProto, nodes: list[onnx.NodeProto], *rest: object) -> None:
        for node in nodes:
            if node.op_type == "TopK":
                node.attribute.append(onnx.helper.make_attribute("largest", 0))
        right(model, nodes, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(postprocess, "append_nodes", smallest)
    with pytest.raises(CheckFailed, match=r"'top_indices' of the steps .* Nothing was written"):
        export(
            dense, tmp_path / "model.onnx", example=rows, simplifier="none", embed_postprocess=("softmax", "top-k:1")
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "steps, words",
    [
        (("top-k:2",), "takes probabilities.*Put softmax before it"),
        (("softmax", "top-k:9"), "there are 3 classes. Ask for top-k:3"),
        (("nms",), r"takes boxes \(N, A, 4\)"),
        (("softmax", "softmax"), "once only"),
    ],
)
def test_what_does_not_fit_is_refused(
    dense: torch.nn.Module, rows: torch.Tensor, tmp_path: Path, steps: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        export(dense, tmp_path / "model.onnx", example=rows, embed_postprocess=steps)


def test_probabilities_need_no_softmax(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="gives probabilities already"):
        export(checkpoint, tmp_path / "model.onnx", embed_postprocess=("softmax",))


@pytest.mark.parametrize(
    "name, words",
    [
        ("topk:3", "Did you mean 'top-k:5'"),
        ("top-k:0", "a number of classes"),
        ("top-k:", "a number of classes"),
        ("nms:iuo=0.5", "Did you mean 'iou'"),
        ("nms:iou=half", "a number is expected"),
        ("nms:iou=1.5", "between 0 and 1"),
        ("nms:max=2.5", "whole max"),
        ("", "There is no step ''"),
    ],
)
def test_steps_that_there_are_not(name: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        read_steps([name])


def test_steps_are_read_from_their_names() -> None:
    assert read_steps(["softmax", "top-k:7", "nms:iou=0.6,boxes=centres"]) == (
        Softmax(),
        TopK(7),
        Suppression(0.6, 0.25, 100, centres=True),
    )

"""The parts of lower precisions: measures, blocks, ranges, labels, what stays in float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from exporters.precision.blocks import cut_into_blocks, ending_nodes
from exporters.precision.candidates import Candidate, Comparison
from exporters.precision.examples import open_examples
from exporters.precision.global_pools import name_global_pools
from exporters.precision.half import write_half
from exporters.precision.latency import Latency, measure_latency
from exporters.precision.quality import Quality, quality
from exporters.precision.quantise import write_dynamic, write_static
from exporters.precision.ranges import Method, find_ranges, tensor_ranges
from exporters.precision.rows import evenly, feed_batches, run_rows
from exporters.precision.sensitive import rank_blocks
from runtime.card import ArrayInput, ImageInput, ModelCard, OutputCard, TableInput, TextInput
from runtime.errors import InputError
from runtime.session import Session


def card_of(task: str, role: str, labels: tuple[str, ...] = ()) -> ModelCard:
    return ModelCard(task, (ArrayInput("input", (4,)),), (OutputCard("out", role),), labels)


CLASSES = card_of("classification", "probabilities", ("a", "b"))


@pytest.fixture
def three_layers(tmp_path: Path) -> Path:
    """input (N, 8) -> 16 -> 16 -> probabilities (N, 4); the weights of the second layer span six orders of magnitude."""
    random = np.random.default_rng(0)
    harsh = random.standard_normal((16, 16)).astype(np.float32)
    harsh[:, 0] *= 1e3
    shapes = {"a": (8, 16), "b": (16, 16), "c": (16, 4)}
    weights = {name: random.standard_normal(shape).astype(np.float32) / 3 for name, shape in shapes.items()}
    weights["c"][0] = 0
    weights["b"] = harsh
    nodes = [
        helper.make_node("MatMul", ["input", "a"], ["h1"], name="first"),
        helper.make_node("Relu", ["h1"], ["r1"], name="relu1"),
        helper.make_node("MatMul", ["r1", "b"], ["h2"], name="second"),
        helper.make_node("Relu", ["h2"], ["r2"], name="relu2"),
        helper.make_node("MatMul", ["r2", "c"], ["logits"], name="third"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "three_layers",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    path = tmp_path / "three.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.fixture
def eight_numbers() -> dict[str, np.ndarray]:
    return {"input": np.random.default_rng(1).standard_normal((40, 8)).astype(np.float32)}


def test_blocks_cover_every_node_once_and_the_ending_is_told(three_layers: Path) -> None:
    graph = onnx.load(three_layers).graph
    blocks = cut_into_blocks(graph)
    assert [block.name for block in blocks] == ["first", "second", "third"]
    assert [name for block in blocks for name in block.nodes] == [node.name for node in graph.node]
    assert ending_nodes(graph) == {"softmax"}


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_static_files_run_and_keep_probabilities_fine(
    method: Method, three_layers: Path, eight_numbers: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ranges = find_ranges(three_layers, eight_numbers, method, tmp_path / "ranges.json")
    write_static(three_layers, tmp_path / "int8.onnx", ranges)
    found = run_rows(Session(tmp_path / "int8.onnx", "cpu"), eight_numbers, ["probabilities"])["probabilities"]
    assert found.sum(1) == pytest.approx(1.0, abs=1e-5)  # rounded to 256 levels they would not add up
    graph = onnx.load(tmp_path / "int8.onnx").graph
    scales = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0].startswith("b_")]
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    assert len(scales) == 1 and sizes[scales[0].input[1]] == (16,)  # one scale an output channel
    assert not list(tmp_path.glob("*augmented*"))


def test_ranges_are_those_of_the_numbers(three_layers: Path, eight_numbers: dict[str, np.ndarray]) -> None:
    least, most = tensor_ranges(three_layers, eight_numbers)["r1"]
    assert least == 0.0
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(three_layers).graph.initializer}
    assert most == pytest.approx(float((eight_numbers["input"] @ weights["a"]).max()), rel=1e-5)


def test_a_layer_that_suffers_is_ranked_first_and_mended_in_float(
    three_layers: Path, eight_numbers: dict[str, np.ndarray], tmp_path: Path
) -> None:
    card = ModelCard("raw", (ArrayInput("input", (8,)),), (OutputCard("probabilities", "probabilities"),))
    ranges = find_ranges(three_layers, eight_numbers, "minmax", tmp_path / "ranges.json")
    ranked = rank_blocks(three_layers, ranges, eight_numbers, card, ["probabilities"])
    errors = {group[0].name: error for error, group in ranked}
    assert set(errors) == {"first", "second", "third"}
    assert [error for error, _ in ranked] == sorted(errors.values(), reverse=True)
    exact = run_rows(Session(three_layers, "cpu"), eight_numbers, ["probabilities"])["probabilities"]

    def off(*kept: str) -> float:
        write_static(three_layers, tmp_path / "trial.onnx", ranges, keep_float=kept)
        found = run_rows(Session(tmp_path / "trial.onnx", "cpu"), eight_numbers, ["probabilities"])["probabilities"]
        return float(np.abs(found - exact).max())

    assert off(*(name for _, group in ranked for block in group for name in block.nodes)) < 1e-5
    assert off(*ranked[0][1][0].nodes) < off()


def test_numbers_too_large_for_16_bits_stay_in_float32(
    three_layers: Path, eight_numbers: dict[str, np.ndarray], tmp_path: Path
) -> None:
    far = {"input": eight_numbers["input"] * 1e5}
    how = write_half(three_layers, tmp_path / "half.onnx", far)
    assert "stay in float32" in how
    found = run_rows(Session(tmp_path / "half.onnx", "cpu"), far, ["probabilities"])["probabilities"]
    exact = run_rows(Session(three_layers, "cpu"), far, ["probabilities"])["probabilities"]
    assert np.isfinite(found).all()
    assert (found.argmax(1) == exact.argmax(1)).mean() > 0.9


def test_dynamic_files_hold_8_bit_weights(
    three_layers: Path, eight_numbers: dict[str, np.ndarray], tmp_path: Path
) -> None:
    assert write_dynamic(three_layers, tmp_path / "dynamic.onnx") == "weights of MatMul"
    kinds = {
        tensor.data_type for tensor in onnx.load(tmp_path / "dynamic.onnx").graph.initializer if len(tensor.dims) > 1
    }
    assert kinds == {TensorProto.INT8}
    assert run_rows(Session(tmp_path / "dynamic.onnx", "cpu"), eight_numbers, ["probabilities"])


def test_measures_by_task() -> None:
    one = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    other = one.copy()
    other[2] = [0.4, 0.6]
    found = quality(CLASSES, {"out": one}, {"out": other}, np.array([0, 1, 0, 0]))
    assert (found.right, found.alike) == (50.0, 75.0)
    assert quality(CLASSES, {"out": one}, {"out": one}, np.array([0, 1, 0, 0])).drop_from(found) == -25.0
    several = quality(card_of("multilabel", "probabilities"), {"out": one}, {"out": other}, (one > 0.5).astype(float))
    assert (several.right, several.alike) == (75.0, 75.0)
    values = quality(card_of("regression", "values"), {"out": one}, {"out": one + 0.01}, one)
    assert values.right == pytest.approx(values.alike) and 99.0 < values.alike < 100.0
    vectors = quality(card_of("embedding", "embedding"), {"out": one}, {"out": 3 * one}, None)
    assert vectors.right is None and vectors.alike == pytest.approx(100.0)
    maps = np.zeros((2, 3, 2, 2))
    maps[:, 1] = 1
    targets = np.full((2, 2, 2), 1)
    targets[0, 0, 0], targets[0, 1, 1] = -100, 0
    assert quality(card_of("dense", "logits"), {"out": maps}, {"out": maps}, targets).right == pytest.approx(600 / 7)


def test_nan_counts_as_wrong() -> None:
    one = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert quality(card_of("raw", "raw"), {"out": one}, {"out": np.full_like(one, np.nan)}, None).alike < 50


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 300), most=st.integers(1, 50), size=st.integers(1, 40))
def test_rows_are_taken_evenly_and_batches_lose_none(count: int, most: int, size: int) -> None:
    positions = evenly(count, most)
    assert len(positions) == min(count, most) == len(set(positions.tolist()))
    assert positions[0] == 0 and positions.max() < count
    feeds = {"input": np.arange(count)}
    parts = [batch["input"] for batch in feed_batches(feeds, size)]
    assert np.concatenate(parts).tolist() == list(range(count))
    assert {len(batch["input"]) for batch in feed_batches(feeds, size, full=True)} == {size}


def test_latencies_are_beside_the_first_file(three_layers: Path, eight_numbers: dict[str, np.ndarray]) -> None:
    found = measure_latency(
        {"one": three_layers, "same": three_layers}, {"input": eight_numbers["input"][:1]}, ["probabilities"]
    )
    assert found["one"].ratio == 1.0
    assert 0 < found["one"].single < 1 and 0.1 < found["same"].ratio < 10


def test_verdicts_and_table() -> None:
    base = Candidate("fp32", Path("a"), bytes=1000, quality=Quality(98.0, 100.0, 0.0), latency=Latency(1, 1, 1.0))
    slow = Candidate("slow", Path("b"), bytes=300, quality=Quality(97.9, 99.0, 0.1), latency=Latency(2, 2, 2.0))
    worse = Candidate("worse", Path("c"), bytes=300, quality=Quality(97.0, 99.0, 0.1), latency=Latency(0.5, 0.5, 0.5))
    large = Candidate("large", Path("d"), bytes=1000, quality=Quality(98.1, 99.0, 0.1), latency=Latency(0.5, 0.5, 0.5))
    none = Candidate("none", None, problem="could not be made: a reason")
    comparison = Comparison([base, slow, worse, large, none], "accuracy", 0.3, ("judged by this",))
    comparison.judge()
    assert slow.problem == "is not faster than fp32: 2.00 times its latency"
    assert worse.problem == "loses 1.00 points; 0.3 are allowed"
    assert large.problem == "is not smaller than fp32"
    text = str(comparison)
    assert all(entry.problem in text for entry in comparison.candidates) and text.endswith("judged by this")
    assert comparison.to_dict()["candidates"][2]["drop"] == pytest.approx(1.0)
    slow.problem = ""
    comparison.judge(may_be_slower=True)
    assert slow.problem == ""


def test_labels_of_pictures_tables_texts_and_arrays(tmp_path: Path) -> None:
    for name, count in (("b", 2), ("a", 1)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (4, 4), number).save(tmp_path / "pictures" / name / f"{number}.png")
    pictures = ModelCard("classification", (ImageInput("x", "grayscale", (4, 4), resize=(4, 4)),), (), ("b", "a"))
    found = open_examples(tmp_path / "pictures", pictures)
    assert found.targets is not None and found.targets.tolist() == [1, 0, 0]
    assert found.feeds(pictures, np.array([2]))["x"].shape == (1, 1, 4, 4)

    (tmp_path / "t.csv").write_text("y,side,x\n1,left,3\n2,right,4\n", encoding="utf-8")
    tables = ModelCard("classification", (TableInput("x", ("x", "y"), (1.0, 1.0), (2.0, 1.0)),), (), ("right", "left"))
    found = open_examples(tmp_path / "t.csv", tables)
    assert found.targets is not None and found.targets.tolist() == [1, 0]
    assert found.feeds(tables, np.array([0]))["x"].tolist() == [[1.0, 0.0]]

    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "yes.txt").write_text("ab\nba\n", encoding="utf-8")
    (tmp_path / "texts" / "no.txt").write_text("bb\n", encoding="utf-8")
    texts = ModelCard(
        "classification", (TextInput("x", ("<pad>", "<unk>", "a", "b"), 3, padding=0, unknown=1),), (), ("yes", "no")
    )
    found = open_examples(tmp_path / "texts", texts)
    assert found.targets is not None and found.targets.tolist() == [1, 0, 0]

    np.savez(tmp_path / "v.npz", data=np.zeros((3, 4), np.float32), label=np.ones((3, 2)))
    values = ModelCard("regression", (ArrayInput("input", (4,)),), (), ("one", "two"))
    found = open_examples(tmp_path / "v.npz", values)
    assert found.targets is not None and found.targets.shape == (3, 2)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((2, 4), np.float32)}, "lacks the array 'data'"),
        ({"data": np.zeros((2, 5), np.float32)}, "prepared inputs of shape"),
        ({"data": np.zeros((2, 4), np.float32), "label": np.zeros(3)}, "2 inputs, but 3 labels"),
        ({"data": np.zeros((2, 4), np.float32), "label": np.array(["a", "z"])}, "has the label 'z'"),
        ({"data": np.zeros((0, 4), np.float32)}, "at least one"),
    ],
)
def test_arrays_that_do_not_fit_are_told(arrays: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(InputError, match=words):
        open_examples(tmp_path / "d.npz", CLASSES)


def test_sources_of_another_kind_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"an \.npz file with `data`"):
        open_examples(tmp_path / "a.txt", CLASSES)
    with pytest.raises(InputError, match="does not exist"):
        open_examples(tmp_path / "b.txt", CLASSES)


@pytest.mark.parametrize(
    ("attributes", "rank", "pooled"),
    [
        ({"keepdims": 1}, 4, 1),
        ({"keepdims": 0}, 4, 0),
        ({"keepdims": 1}, 3, 0),
    ],
)
def test_means_over_whole_pictures_become_pools(
    attributes: dict[str, int], rank: int, pooled: int, tmp_path: Path
) -> None:
    shape: list[int | str] = ["batch", 3, 5, 7][:rank]
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x", "axes"], ["y"], name="mean", **attributes)],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array([-1, -2]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 3, 5, 7)[:rank]).astype(np.float32)}
    onnx.save(model, tmp_path / "before.onnx")
    assert name_global_pools(model) == pooled
    assert model.graph.node[0].op_type == ("GlobalAveragePool" if pooled else "ReduceMean")
    onnx.save(model, tmp_path / "after.onnx")
    before, after = (Session(tmp_path / f"{name}.onnx", "cpu").run(feeds)["y"] for name in ("before", "after"))
    assert before.shape == after.shape and np.allclose(before, after, atol=1e-6)

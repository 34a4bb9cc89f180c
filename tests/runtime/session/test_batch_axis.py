"""Rows lie along the axis that is the batch by its name, and one name has one length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import runtime
from runtime.batches import asking, run_rows
from runtime.errors import InputError
from runtime.session import Session, Tensor
from runtime.session.batch_axis import derived_length, find_batch
from runtime.session.bench import bench, random_inputs

BRIEF = {"seconds": 0.001, "warm_up": 0.0}
FLOAT = TensorProto.FLOAT


def inputs(*shapes: tuple[Any, ...]) -> list[Tensor]:
    return [Tensor(f"x{place}", "float32", shape) for place, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("shapes", "name", "axes", "fixed"),
    [
        ([("batch", 3)], "batch", {"x0": 0}, None),
        ([("batch", 4), (2, "batch", 6)], "batch", {"x0": 0, "x1": 1}, None),
        ([("length", "batch", 4)], "batch", {"x0": 1}, None),
        ([("seq_len", "batch_size", 4)], "batch_size", {"x0": 1}, None),
        ([("N", 4), (2, "N", 6)], "N", {"x0": 0, "x1": 1}, None),
        ([("N", 4), ("?", 6)], "N", {"x0": 0, "x1": 0}, None),
        ([("?", 4), ("?", "?", 6)], "?", {"x0": 0, "x1": 0}, None),
        ([("?", 4), (2, "?", 6)], None, {}, None),
        ([("batch", 4), (1, 4)], "batch", {"x0": 0}, None),
        ([("nodes", 6), (2, "edges")], None, {}, None),
        ([("queries", 6), ("documents", 6)], None, {}, None),
        ([("batch_a", 6), ("batch_b", 6)], None, {}, None),
        ([(4, 6), (4, 2)], None, {}, 4),
        ([(1, 3, 4), (2, 1, 6)], None, {}, None),
        ([()], "?", {"x0": 0}, None),
        ([(1, "length", 4)], None, {}, 1),
    ],
)
def test_the_batch_is_found_by_name(
    shapes: list[tuple[Any, ...]], name: str | None, axes: dict[str, int], fixed: int | None
) -> None:
    found = find_batch(inputs(*shapes))
    assert (found.name, found.axes, found.fixed) == (name, axes, fixed)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("2*n", 14),
        ("n + 1", 8),
        ("(n - 1)//2", 3),
        ("m", None),
        ("n/2", None),
        ("n.x", None),
        ("2*", None),
        ("0*n", None),
    ],
)
def test_lengths_that_are_computed_from_others(text: str, length: int | None) -> None:
    assert derived_length(text, {"n": 7}) == length


@pytest.fixture
def stateful(onnx_file: Callable[..., Path]) -> Path:
    """x (batch, 3) + the sum of s (2, batch, 3) over its layers; the state is given back, and a total of all."""
    return onnx_file(
        [
            ("ReduceMean", ["s"], ["r"], {"keepdims": 0, "axes": [0]}),
            ("Add", ["x", "r"], ["y"], {}),
            ("Identity", ["s"], ["state"], {}),
            ("ReduceMean", ["x"], ["total"], {"keepdims": 1, "axes": [0]}),
        ],
        [("x", FLOAT, ["batch", 3]), ("s", FLOAT, [2, "batch", 3])],
        [("y", FLOAT, ["batch", 3]), ("state", FLOAT, [2, "batch", 3]), ("total", FLOAT, [1, 3])],
    )


def test_rows_of_a_state_are_measured_once(stateful: Path) -> None:
    session = Session(stateful, "cpu")
    assert session.fixed_batch is None
    assert {name: array.shape for name, array in random_inputs(session, 5).items()} == {"x": (5, 3), "s": (2, 5, 3)}
    assert [timing.batch_size for timing in bench(session, (1, 8), **BRIEF)] == [1, 8]
    for lengths in ({"batch": 4}, {"s.1": 4}):
        [timing] = bench(session, (1, 8), **BRIEF, lengths=lengths)
        assert (timing.batch_size, timing.rows_per_second) == (4, pytest.approx(4 / timing.median))


def test_a_name_cannot_have_two_lengths(stateful: Path) -> None:
    with pytest.raises(InputError, match=r"'batch' was given the lengths 3 and 4; axes of one name have one length"):
        random_inputs(Session(stateful, "cpu"), 1, lengths={"x.0": 3, "s.1": 4})


def test_a_file_without_a_batch_is_measured_run_by_run(onnx_file: Callable[..., Path]) -> None:
    path = onnx_file(
        [("MatMul", ["q", "d"], ["y"], {})],
        [("q", FLOAT, ["queries", 3]), ("d", FLOAT, [3, "documents"])],
        [("y", FLOAT, ["queries", "documents"])],
    )
    session = Session(path, "cpu")
    with pytest.raises(InputError, match=r"'queries' is not known"):
        bench(session, (1, 8), **BRIEF)
    [timing] = bench(session, (1, 8), **BRIEF, lengths={"queries": 4, "documents": 7})
    assert timing.rows_per_second == pytest.approx(1 / timing.median)


def test_derived_lengths_follow_the_others(onnx_file: Callable[..., Path]) -> None:
    path = onnx_file(
        [("Identity", ["x"], ["y"], {}), ("Identity", ["z"], ["w"], {})],
        [("x", FLOAT, ["batch", "n"]), ("z", FLOAT, ["batch", "2*n"])],
        [("y", FLOAT, ["batch", "n"]), ("w", FLOAT, ["batch", "2*n"])],
    )
    found = random_inputs(Session(path, "cpu"), 3, lengths={"n": 4})
    assert {name: array.shape for name, array in found.items()} == {"x": (3, 4), "z": (3, 8)}


def test_rows_are_moved_to_where_the_file_has_them(stateful: Path) -> None:
    random = np.random.default_rng(0)
    x, s = random.normal(size=(2, 3)).astype("float32"), random.normal(size=(2, 2, 3)).astype("float32")
    found = run_rows(Session(stateful, "cpu"), {"x": x, "s": s}, asking("y", "state"), 1)
    np.testing.assert_allclose(found["y"], x + s.mean(1), atol=1e-6)  # s: rows, then layers
    np.testing.assert_array_equal(found["state"], s)


@pytest.mark.parametrize("declared", [[1, 3], ["unk__1", 3], [None, None]])
@pytest.mark.parametrize("rows", [1, 2])
def test_an_output_of_as_many_rows_by_chance_is_refused(
    onnx_file: Callable[..., Path], declared: list[Any], rows: int
) -> None:
    path = onnx_file(
        [("ReduceMean", ["x"], ["total"], {"keepdims": 1, "axes": [0]}), ("Relu", ["x"], ["y"], {})],
        [("x", FLOAT, ["N", 3])],
        [("total", FLOAT, declared), ("y", FLOAT, declared if declared[0] != 1 else ["N", 3])],
    )
    model = runtime.load(path)
    values = np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")
    with pytest.raises(InputError, match=r"'total' .* is not one row an input"):
        model.embed(values, output="total")
    np.testing.assert_array_equal(model.embed(values, output="y"), np.maximum(values, 0))


def test_rows_in_another_axis_of_an_output_are_found(onnx_file: Callable[..., Path]) -> None:
    path = onnx_file(
        [("Transpose", ["x"], ["y"], {"perm": [1, 0]})],
        [("x", FLOAT, ["N", 3])],
        [("y", FLOAT, [3, "N"])],
    )
    model, values = runtime.load(path), np.arange(9, dtype="float32").reshape(3, 3)
    np.testing.assert_array_equal(model.embed(values, output="y"), values)  # N is its second axis


def test_inputs_without_a_batch_in_common_are_not_run_row_by_row(onnx_file: Callable[..., Path]) -> None:
    path = onnx_file(
        [("MatMul", ["q", "d"], ["y"], {})],
        [("q", FLOAT, ["queries", 3]), ("d", FLOAT, [3, "documents"])],
        [("y", FLOAT, ["queries", "documents"])],
    )
    with pytest.raises(InputError, match="'q' has no axis of the batch"):
        run_rows(Session(path, "cpu"), {"q": np.zeros((3, 3), "f4"), "d": np.zeros((3, 3), "f4")}, asking("y"))


def test_a_single_row_beside_the_batch_is_run_with_each(onnx_file: Callable[..., Path]) -> None:
    path = onnx_file(
        [("Mul", ["x", "z"], ["y"], {})],
        [("x", FLOAT, ["batch", 3]), ("z", FLOAT, [1, 3])],
        [("y", FLOAT, ["batch", 3])],
    )
    session = Session(path, "cpu")
    assert [timing.batch_size for timing in bench(session, (1, 8), **BRIEF)] == [1, 8]
    x = np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(run_rows(session, {"x": x, "z": x}, asking("y"))["y"], x * x)

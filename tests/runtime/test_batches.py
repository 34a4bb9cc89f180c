"""Many inputs through one model: in order, at any batch size, with any number of workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from runtime.batches import asking, run_pictures, run_rows
from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.session import Session

MakeModel = Callable[..., Path]


@pytest.fixture(scope="module")
def colour(colour_model: MakeModel) -> Session:
    return Session(colour_model(), "cpu")


@pytest.fixture(scope="module")
def fixed(colour_model: MakeModel) -> Session:
    return Session(colour_model(batch=4), "cpu")


def rows(count: int) -> np.ndarray:
    """(count, 3, 8, 8), row i filled with i."""
    return np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, 3, 8, 8)).copy()


@given(st.integers(1, 70), st.none() | st.integers(1, 80))
@settings(deadline=None, max_examples=40)
def test_every_row_gets_its_own_result_at_any_batch_size(colour: Session, count: int, size: int | None) -> None:
    found = run_rows(colour, rows(count), asking("embedding"), size)["embedding"]
    np.testing.assert_array_equal(found, np.repeat(np.arange(count, dtype=np.float32)[:, None], 3, axis=1))


@given(st.integers(1, 13))
@settings(deadline=None, max_examples=13)
def test_a_file_with_a_fixed_batch_takes_any_number_of_rows(fixed: Session, count: int) -> None:
    found = run_rows(fixed, rows(count), asking("embedding"), 3)["embedding"]
    np.testing.assert_array_equal(found[:, 0], np.arange(count, dtype=np.float32))


def test_no_rows_several_inputs_and_outputs_that_are_not_one_row_an_input_are_refused(
    colour: Session, onnx_file: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match="No input was given"):
        run_rows(colour, rows(0), asking("embedding"))
    vector = ("a", TensorProto.FLOAT, ["N"])
    two = onnx_file([("Add", ["a", "b"], ["y"], {})], [vector, ("b", *vector[1:])], [("y", *vector[1:])])
    with pytest.raises(InputError, match=r"takes 2 inputs \(a, b\); use \.run"):
        run_rows(Session(two, "cpu"), np.zeros(3, np.float32), asking("y"))
    for keepdims, shape in ((0, []), (1, [1])):
        total = onnx_file(
            [("ReduceSum", ["a"], ["y"], {"keepdims": keepdims})], [vector], [("y", TensorProto.FLOAT, shape)]
        )
        with pytest.raises(InputError, match="is not one row an input"):
            run_rows(Session(total, "cpu"), np.zeros(3, np.float32), asking("y"))


def pictures(count: int) -> list[np.ndarray]:
    """Grey pictures, each lighter than the one before."""
    return [np.full((8, 8), position % 256, np.uint8) for position in range(count)]


@pytest.mark.parametrize("count", [0, 1, 3, 33, 200])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_are_in_the_order_of_the_pictures_with_any_number_of_workers(
    colour: Session, count: int, workers: int
) -> None:
    card = colour.card.inputs[0]
    chunks = list(run_pictures(colour, pictures(count), card, asking("embedding"), workers))
    found = [value for chunk in chunks for value in chunk.outputs["embedding"][:, 0]]
    np.testing.assert_allclose(found, [(position % 256) / 255 for position in range(count)], atol=1e-6)
    assert max((len(chunk.sources) for chunk in chunks), default=0) <= 32  # so that memory stays bounded


@pytest.mark.parametrize("workers", [1, 4])
def test_a_broken_picture_fails_at_its_own_place_and_spares_the_others(colour: Session, workers: int) -> None:
    given = pictures(40)
    given[7], given[39] = b"broken", "missing.png"
    place, failed = 0, {}
    for chunk in run_pictures(colour, given, colour.card.inputs[0], asking("embedding"), workers):
        failed |= {place + position: failure for position, failure in chunk.failures.items()}
        assert len(chunk.outputs["embedding"]) == len(chunk.sources) - len(chunk.failures)
        place += len(chunk.sources)
    assert (place, sorted(failed)) == (40, [7, 39])
    assert (failed[7].source, failed[39].source) == (None, "missing.png")
    assert "missing.png does not exist" in str(failed[39].error)


def test_a_chunk_in_which_nothing_can_be_read_has_no_values(colour: Session) -> None:
    card: ImageInput = colour.card.inputs[0]
    (chunk,) = run_pictures(colour, [b"x", b"y"], card, asking("embedding"), 1)
    assert chunk.outputs is None
    assert sorted(chunk.failures) == [0, 1]


def test_results_can_be_left_unread(colour: Session) -> None:
    stream = run_pictures(colour, pictures(300), colour.card.inputs[0], asking("embedding"), 4)
    assert next(stream).outputs["embedding"][0, 0] == 0.0
    stream.close()


def test_an_error_of_the_model_reaches_the_caller_from_its_worker(colour: Session) -> None:
    with pytest.raises(InputError, match=r"has no output 'embeding'. Did you mean 'embedding'"):
        list(run_pictures(colour, pictures(100), colour.card.inputs[0], asking("embeding"), 4))

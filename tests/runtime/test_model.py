"""`runtime.load`: predict, embed and run, on real files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import runtime
from runtime.card import ArrayInput, ModelCard, OutputCard
from runtime.errors import CardError, InputError, ModelFileError
from runtime.model import Model
from runtime.preprocess.sources import find_images
from runtime.results import Classification, Failure, Regression

MakeModel = Callable[..., Path]
RED, GREEN = (np.tile(np.array(colour, np.uint8), (8, 8, 1)) for colour in ((255, 0, 0), (0, 255, 0)))


@pytest.fixture(scope="module")
def colour(colour_model: MakeModel) -> Model:
    return runtime.load(colour_model(), "cpu")


@pytest.fixture(scope="module")
def digit(digit_model: Path) -> Model:
    return runtime.load(digit_model, "cpu")


@pytest.fixture(scope="module")
def plain(plain_model: Path) -> Model:
    return runtime.load(plain_model, "cpu")


# ---- prediction -------------------------------------------------------------------------------------------------------


def test_a_trained_file_recognises_digits_that_it_has_not_seen(digit: Model, digit_files: Path) -> None:
    found = digit.predict(digit_files)
    right = [Path(result.source).parent.name == result.label for result in found]
    assert len(right) == 100
    assert np.mean(right) >= 0.75
    assert all(abs(result.probabilities.sum() - 1) < 1e-5 for result in found)


def test_the_file_says_what_the_network_said_in_training(digit: Model, digit_model: Path, digit_files: Path) -> None:
    from toolkit import nn

    files = find_images([digit_files])[::7]
    expected = nn("cls").inference([str(file) for file in files], checkpoint=digit_model.with_name("last.pth"))
    found = np.stack([result.probabilities for result in digit.predict(files)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_one_input_gives_one_result_and_many_give_a_list_in_their_order(colour: Model, tmp_path: Path) -> None:
    for name, picture in (("1.png", RED), ("2.png", GREEN)):
        Image.fromarray(picture).save(tmp_path / name)
    one = colour.predict(str(tmp_path / "1.png"))
    assert (one.label, one.index, one.source) == ("red", 0, str(tmp_path / "1.png"))
    assert colour.predict(GREEN).label == "green"
    assert colour.predict((tmp_path / "2.png").read_bytes()).label == "green"
    for many in (tmp_path, [tmp_path / "1.png", GREEN], np.stack([RED, GREEN]), [RED, Image.fromarray(GREEN)]):
        assert [result.label for result in colour.predict(many)] == ["red", "green"]
    assert colour.predict([]) == []


def test_prepared_floats_pictures_and_files_give_the_same_result(digit: Model, digit_files: Path) -> None:
    file = digit_files / "3" / "0.png"
    pixels = np.asarray(Image.open(file))
    expected = digit.predict(file).probabilities
    for form in (pixels, pixels[None], (pixels[None] / 255).astype(np.float32)):
        np.testing.assert_allclose(digit.predict(form).probabilities, expected, rtol=1e-5, atol=1e-7)


def test_of_100_pictures_with_3_broken_97_are_predicted_and_the_3_are_named(digit: Model, broken_files: Path) -> None:
    files = find_images([broken_files])
    results = digit.predict(files, on_error="keep")
    assert [result.source for result in results] == [str(file) for file in files]
    failures = [result for result in results if isinstance(result, Failure)]
    assert [Path(failure.source).name for failure in failures] == ["20.png", "50.png", "80.png"]
    assert all(failure.source in str(failure.error) for failure in failures)
    assert sum(isinstance(result, Classification) for result in results) == 97
    with pytest.raises(InputError, match=r"20\.png cannot be read"):
        digit.predict(files)


def test_a_stream_gives_the_same_results_one_at_a_time(digit: Model, digit_files: Path) -> None:
    files = find_images([digit_files])
    labels = [result.label for result in digit.predict(files)]
    assert [result.label for result in digit.stream(files)] == labels
    assert next(iter(digit.stream(files))).label == labels[0]


def test_a_table_is_predicted_row_by_row(table_model: Path, table_file: Path, tmp_path: Path) -> None:
    model = runtime.load(table_model, "cpu")
    assert [result.label for result in model.predict(table_file)] == ["left"] * 20 + ["right"] * 20
    assert model.predict([-20.0, 3.0]).label == "left"
    assert [result.label for result in model.predict([[20, 5], [-20, 3]])] == ["right", "left"]
    (tmp_path / "moved.csv").write_text("y,extra,x\n5,-,20\n")
    assert [result.label for result in model.predict(tmp_path / "moved.csv")] == ["right"]


def test_a_regression_gives_the_value_that_was_trained(value_model: Path, value_file: Path) -> None:
    from toolkit import nn

    model = runtime.load(value_model, "cpu")
    found = model.predict(value_file)
    assert all(isinstance(result, Regression) and result.names == ("value",) for result in found)
    expected = nn("reg").inference(str(value_file), checkpoint=value_model.with_name("last.pth"), label=True)
    np.testing.assert_allclose([result.value for result in found], expected[:, 0], rtol=0, atol=1e-5)
    wanted = np.loadtxt(value_file, delimiter=",", skiprows=1)[:, 2]
    assert np.corrcoef(expected[:, 0], wanted)[0, 1] > 0.99


@pytest.mark.parametrize("batch", [1, 4])
def test_a_file_with_a_fixed_batch_predicts_any_number(colour_model: MakeModel, batch: int) -> None:
    model = runtime.load(colour_model(batch=batch), "cpu")
    assert [result.label for result in model.predict([RED, GREEN, RED, RED, GREEN])] == [
        "red", "green", "red", "red", "green",
    ]  # fmt: skip


# ---- embedding --------------------------------------------------------------------------------------------------------


def test_an_embedding_is_one_row_of_floats_for_each_input(colour: Model) -> None:
    one = colour.embed(RED)
    assert (one.shape, one.dtype) == ((3,), np.float32)
    np.testing.assert_allclose(one, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(colour.embed([RED, GREEN]), [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    assert colour.embed([RED], output="probabilities").sum() == pytest.approx(1)


def test_normalised_embeddings_have_length_one_and_a_zero_one_stays_zero(colour: Model) -> None:
    grey = np.full((8, 8), 77, np.uint8)
    found = colour.embed([RED, grey, np.zeros_like(grey)], normalize=True)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 0], atol=1e-6)


def test_alike_digits_have_alike_embeddings(digit: Model, digit_files: Path) -> None:
    rows = {name: digit.embed(digit_files / name, normalize=True) for name in ("0", "1")}
    inside = min((part @ part.T).mean() for part in rows.values())
    assert inside > (rows["0"] @ rows["1"].T).mean() + 0.1


def test_a_stream_of_embeddings_says_what_failed(digit: Model, broken_files: Path) -> None:
    files = find_images([broken_files])
    parts = list(digit.embed_stream(files))
    assert [source for sources, _, _ in parts for source in sources] == [str(file) for file in files]
    assert sum(len(values) for _, _, values in parts) == 97
    assert sorted(failure.source for _, failures, _ in parts for failure in failures.values()) == [
        str(broken_files / name) for name in ("20.png", "50.png", "80.png")
    ]
    with pytest.raises(InputError, match=r"20\.png"):
        digit.embed(files)


@pytest.mark.parametrize("data", [[], np.zeros((0, 3, 8, 8), np.float32), np.zeros((0, 8, 8, 3), np.uint8)])
def test_nothing_cannot_be_embedded(colour: Model, data: Any) -> None:
    with pytest.raises(InputError, match="No input was given"):
        colour.embed(data)


def test_a_space_is_of_one_file_and_one_output(colour: Model, colour_model: MakeModel) -> None:
    assert colour.space() == runtime.load(colour.path, "cpu").space()
    other = runtime.load(colour_model(mean=(0.5,) * 3), "cpu")  # another pre-processing is another space
    assert len({colour.space(), colour.space("probabilities"), other.space()}) == 3


# ---- files from elsewhere ---------------------------------------------------------------------------------------------


def test_a_file_without_a_card_runs_on_arrays_and_embeds_with_a_named_output(plain: Model) -> None:
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(plain.run({"x": x}, ["double"])["double"], 2 * x)
    np.testing.assert_array_equal(plain.embed(x, output="double"), 2 * x)
    np.testing.assert_array_equal(plain.embed([1, 2, 3], output="total"), [12])
    assert (plain.card, [tensor.name for tensor in plain.inputs]) == (None, ["x"])
    assert [tensor.name for tensor in plain.outputs] == ["double", "total"]


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda model: model.predict("x.png"), "has no model card"),
        (lambda model: model.embed("x.png"), "names no embedding. Its outputs are double, total"),
        (lambda model: model.items(["x.png"]), "takes plain arrays, not files"),
        (lambda model: model.space(), "names no embedding"),
    ],
)
def test_what_needs_a_card_says_so(plain: Model, use: Callable[[Model], Any], words: str) -> None:
    with pytest.raises(CardError) as caught:
        use(plain)
    assert words in str(caught.value)


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_that_does_not_take_one_input_is_left_to_run(onnx_file: Callable[..., Path], count: int) -> None:
    inputs = [(name, 1, ["N"]) for name in "ab"[:count]]
    node = ("Add", ["a", "b"], ["y"], {}) if count else ("ConstantOfShape", ["shape"], ["y"], {})
    path = onnx_file([node], inputs, [("y", 1, ["N"])], **({} if count else {"shape": np.array([2], np.int64)}))
    with pytest.raises(CardError, match=rf"takes {count} inputs"):
        runtime.load(path, "cpu").embed(np.zeros(3, np.float32), output="y")


def test_an_output_that_the_card_names_but_the_file_lacks_is_a_card_error(
    onnx_file: Callable[..., Path], colour: Model
) -> None:
    shape = ["N", 3, 8, 8]
    path = onnx_file([("Identity", ["picture"], ["y"], {})], [("picture", 1, shape)], [("y", 1, shape)], colour.card)
    with pytest.raises(CardError, match=r"The card has the output 'probabilities'; the graph gives 'y'"):
        runtime.load(path, "cpu")


def test_a_card_of_several_inputs_takes_them_by_name(onnx_file: Callable[..., Path], tmp_path: Path) -> None:
    card = ModelCard("regression", (ArrayInput("a", ()), ArrayInput("b", ())), (OutputCard("y", "values"),))
    path = onnx_file([("Add", ["a", "b"], ["y"], {})], [("a", 1, ["N"]), ("b", 1, ["N"])], [("y", 1, ["N"])], card)
    model = runtime.load(path, "cpu")
    one = np.ones(2, np.float32)
    np.testing.assert_array_equal(model.run({"a": one, "b": one})["y"], [2, 2])
    assert model.predict({"a": np.float32(1), "b": np.float32(2)}).value == 3
    both = {"a": one, "b": np.array([1, 5], np.float32)}
    np.savez(tmp_path / "both.npz", **both)
    rows = [{name: values[row] for name, values in both.items()} for row in range(2)]
    for data in (both, rows, tmp_path / "both.npz", str(tmp_path / "both.npz")):
        assert [result.value for result in model.predict(data)] == [2, 6]
        assert [result.value for result in model.stream(data)] == [2, 6]
    assert [result.value for result in model.stream(model.items([tmp_path / "both.npz"] * 2))] == [2, 6, 2, 6]
    assert model.predict([]) == []
    np.testing.assert_array_equal(model.embed(both, output="y"), [[2], [6]])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1.0], "A list was given; the model takes the inputs a, b. Give a mapping with one entry for each"),
        ({"a": [1.0]}, "The inputs a were given; the model takes a, b"),
        ({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}, "a 2, b 3. As many of each are expected"),
        ("rows.csv", "rows.csv was given; the model takes the inputs a, b. Give an .npz file"),
        ("one.npz", "one.npz lacks the array 'b'; it has a"),
    ],
)
def test_what_are_not_all_inputs_is_refused(
    onnx_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", a=np.ones(2, np.float32))
    card = ModelCard("regression", (ArrayInput("a", ()), ArrayInput("b", ())), (OutputCard("y", "values"),))
    path = onnx_file([("Add", ["a", "b"], ["y"], {})], [("a", 1, ["N"]), ("b", 1, ["N"])], [("y", 1, ["N"])], card)
    with pytest.raises(InputError) as caught:
        runtime.load(path, "cpu").predict(data)
    assert words in str(caught.value)


def test_pictures_are_no_rows_of_a_table(table_model: Path, digit_files: Path) -> None:
    with pytest.raises(InputError, match="takes a table, not pictures"):
        list(runtime.load(table_model, "cpu").embed_stream([digit_files / "0" / "0.png"]))


def test_one_model_serves_many_threads_at_once(digit: Model, digit_files: Path) -> None:
    files = find_images([digit_files])
    expected = [result.label for result in digit.predict(files)]
    with ThreadPoolExecutor(8) as pool:
        assert [result.label for result in pool.map(digit.predict, files)] == expected


def test_items_are_what_a_stream_takes(colour: Model, table_model: Path, table_file: Path, digit_files: Path) -> None:
    assert len(colour.items([digit_files / "0", digit_files / "1" / "0.png"])) == 11
    assert runtime.load(table_model, "cpu").items([table_file, table_file]).shape == (80, 2)
    with pytest.raises(InputError, match="does not exist"):
        colour.items(["missing.png"])


def test_a_file_that_cannot_be_opened_is_a_model_file_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        runtime.load(tmp_path / "missing.onnx")

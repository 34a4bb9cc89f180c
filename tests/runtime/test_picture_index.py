"""Pictures in an index: embedded, searched by pictures, drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import runtime
from runtime.card import ImageInput, ModelCard, OutputCard
from runtime.errors import CardError, InputError, VectorIndexError
from runtime.model import Model
from runtime.picture_index import draw_neighbours, embed_pictures, open_picture_index, search_pictures
from runtime.preprocess.sources import find_images


@pytest.fixture(scope="module")
def model(digit_model: Path) -> Model:
    return runtime.load(digit_model, "cpu")


@pytest.fixture(scope="module")
def index(model: Model, digit_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "digits"
    done = embed_pictures(model, find_images([digit_files]), folder)
    assert (done.added, done.total, done.dim, done.failures) == (100, 100, 16, ())
    return folder


def test_a_picture_is_its_own_nearest_neighbour_and_digits_find_their_like(
    model: Model, index: Path, digit_files: Path
) -> None:
    queries = find_images([digit_files])
    with open_picture_index(index) as opened:
        found = search_pictures(model, opened, queries, 5)
    alike = []
    for query, entry in zip(queries, found, strict=True):
        assert entry.query == str(query)
        assert entry.ids[0] == query.as_posix()
        assert entry.scores[0] == pytest.approx(1.0, abs=1e-5)
        assert list(entry.scores) == sorted(entry.scores, reverse=True)
        assert entry.paths[0] == str(query.resolve())
        alike += [Path(name).parent.name == query.parent.name for name in entry.ids[1:]]
    assert np.mean(alike) > 0.6


def test_conditions_narrow_the_search_and_one_field_may_take_several_values(
    model: Model, index: Path, digit_files: Path
) -> None:
    query = [digit_files / "7" / "0.png"]
    with open_picture_index(index) as opened:
        (one,) = search_pictures(model, opened, query, 50, ["folder=3"])
        (two,) = search_pictures(model, opened, query, 50, ["folder=3", "folder=7"])
        with pytest.raises(InputError, match=r"has folder=x. Its fields are: folder, path."):
            search_pictures(model, opened, query, 50, ["folder=x"])
    assert {Path(name).parent.name for name in one.ids} == {"3"}
    assert {Path(name).parent.name for name in two.ids} == {"3", "7"}
    assert (len(one.ids), len(two.ids)) == (10, 20)
    assert json.loads(json.dumps(two.to_dict()))["neighbours"][0]["path"] == str(query[0].resolve())


@pytest.mark.parametrize("condition", ["folder", "=7", ""])
def test_a_malformed_condition_is_refused(model: Model, index: Path, digit_files: Path, condition: str) -> None:
    with open_picture_index(index) as opened, pytest.raises(InputError, match="field=value is expected"):
        search_pictures(model, opened, [digit_files / "7" / "0.png"], 5, [condition])


def test_embedding_again_replaces_and_broken_pictures_are_named(
    model: Model, broken_files: Path, tmp_path: Path
) -> None:
    files = find_images([broken_files])
    counted: list[int] = []
    first = embed_pictures(model, [*files, files[0]], tmp_path / "index", advance=counted.append)
    assert (first.added, first.total) == (97, 97)
    assert [Path(failure.source).name for failure in first.failures] == ["20.png", "50.png", "80.png"]
    assert sum(counted) == 100
    assert embed_pictures(model, files[:5], tmp_path / "index").to_dict() == {
        "added": 5,
        "metric": "cosine", "total": 97, "dim": 16, "failures": [],
    }  # fmt: skip


def test_the_index_remembers_its_model_and_refuses_another(
    model: Model, index: Path, digit_files: Path, colour_model: Callable[..., Path]
) -> None:
    other = runtime.load(colour_model(), "cpu")
    with open_picture_index(index) as opened:
        assert opened.attributes["model"] == str(model.path.resolve())
        with pytest.raises(VectorIndexError, match="was made by another model"):
            search_pictures(other, opened, [digit_files / "7" / "0.png"], 5)
    with pytest.raises(VectorIndexError):
        embed_pictures(other, [digit_files / "7" / "0.png"], index)


@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_other_metrics_put_the_picture_itself_or_a_longer_one_first(
    model: Model, digit_files: Path, tmp_path: Path, metric: str
) -> None:
    files = find_images([digit_files / "0"])
    embed_pictures(model, files, tmp_path / "index", metric=metric, dtype="float16")
    with open_picture_index(tmp_path / "index") as opened:
        (found,) = search_pictures(model, opened, files[:1], 3)
    assert list(found.scores) == sorted(found.scores, reverse=True)
    if metric == "euclidean":
        assert found.ids[0] == files[0].as_posix()
        assert found.scores[0] == pytest.approx(0.0, abs=0.1)


def test_a_model_that_embeds_no_pictures_makes_no_index(
    plain_model: Path, table_model: Path, table_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(CardError, match="has no model card"):
        embed_pictures(runtime.load(plain_model, "cpu"), [table_file], tmp_path / "index")
    with pytest.raises(InputError, match="does not take pictures"):
        embed_pictures(runtime.load(table_model, "cpu"), [table_file], tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_an_embedding_of_open_length_is_refused(onnx_file: Callable[..., Path], tmp_path: Path) -> None:
    card = ModelCard("raw", (ImageInput("x", "grayscale", (8, 8)),), (OutputCard("y", "embedding"),))
    shape = ["N", 1, 8, "width"]
    path = onnx_file([("Identity", ["x"], ["y"], {})], [("x", 1, shape)], [("y", 1, shape)], card)
    with pytest.raises(InputError, match="rows of a fixed length are expected"):
        embed_pictures(runtime.load(path, "cpu"), [], tmp_path / "index")


def test_pictures_are_written_in_several_transactions_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch, model: Model, digit_files: Path, index: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(runtime.picture_index, "_ROWS_PER_TRANSACTION", 30)
    files = find_images([digit_files])
    assert embed_pictures(model, files, tmp_path / "index").total == 100
    with open_picture_index(tmp_path / "index") as parts, open_picture_index(index) as whole:
        names = [file.as_posix() for file in files]
        np.testing.assert_array_equal(parts.get(names)[0], whole.get(names)[0])
        assert parts.metadata(names) == whole.metadata(names)


def test_a_query_that_cannot_be_read_is_an_input_error(model: Model, index: Path, tmp_path: Path) -> None:
    (tmp_path / "q.png").write_text("no picture")
    with open_picture_index(index) as opened, pytest.raises(InputError, match=r"q\.png cannot be read"):
        search_pictures(model, opened, [tmp_path / "q.png"], 5)


def test_neighbours_are_drawn_one_row_a_query_also_when_a_picture_is_gone(
    model: Model, digit_files: Path, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes((digit_files / "5" / f"{number}.png").read_bytes())
    files = find_images([tmp_path])
    embed_pictures(model, files, tmp_path / "index")
    with open_picture_index(tmp_path / "index") as opened:
        found = search_pictures(model, opened, files[:2], 3)
    files[2].unlink()
    draw_neighbours(found, tmp_path / "out" / "neighbours.png")
    with Image.open(tmp_path / "out" / "neighbours.png") as page:
        assert page.size == (12 + 4 * 140, 12 + 2 * 174)


def test_the_folder_of_a_picture_is_its_class_however_deep_it_lies(
    model: Model, digit_files: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "pictures" / "seven" / "by hand"
    deep.mkdir(parents=True)
    (deep / "0.png").write_bytes((digit_files / "7" / "0.png").read_bytes())
    embed_pictures(model, [deep / "0.png"], tmp_path / "index", roots=[tmp_path / "pictures"])
    with open_picture_index(tmp_path / "index") as opened:
        (found,) = opened.metadata([(deep / "0.png").as_posix()])
    assert found["folder"] == "seven"

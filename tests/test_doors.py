"""The same data gives the same numbers, whatever it is kept in and whichever door it comes through."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import runtime
from cli import main
from exporters import check, export
from exporters.precision.examples import open_examples
from toolkit import nn
from toolkit.data.source import open_source

RANDOM = np.random.default_rng(0)
NAMES = ("height", "width", "mass")
ROWS = RANDOM.normal((1, 20, 300), (0.5, 4, 90), (40, 3)).round(3)
KINDS = np.where(ROWS[:, 0] + RANDOM.normal(0, 0.2, 40) > 1, "tall", "low")
PIXELS = RANDOM.integers(0, 256, (24, 6, 6), np.uint8)
TEXTS = [
    "a small cat",
    "one big dog",
    "small dog barks",
    "the big cat",
    "a dog",
    "one cat sleeps",
    "that dog",
    "small cat",
]
ANIMALS = ["dog" if "dog" in text else "cat" for text in TEXTS]
STEPS = [RANDOM.normal(0, 1, (3 + number % 5, 2)).astype(np.float32) for number in range(30)]
TURNS = np.array(["up" if steps[-1, 0] > 0 else "down" for steps in STEPS])
SHADES = np.where(PIXELS.mean((1, 2)) > 128, "light", "dark")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the rows in every form, a network trained on them, and its file."""
    folder = tmp_path_factory.mktemp("table")
    frame = pandas.DataFrame({**{name: ROWS[:, n] for n, name in enumerate(NAMES)}, "kind": KINDS})
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_csv(folder / "rows.tsv", index=False, sep="\t")
    frame[["kind", "mass", "height", "width"]].assign(note=1).to_csv(folder / "turned.csv", index=False)
    np.savez(folder / "rows.npz", data=ROWS, label=KINDS)
    np.save(folder / "rows.npy", ROWS)
    model = nn("cls", folder / "run")
    model.set_seed(0)
    model.load_tab_data(str(folder / "rows.csv"), train_val_ratio=0.8)
    model.add("linear", size=8, activation="tanh")
    model.add("linear", size=2)
    model.train(epochs=3, lr=0.05, verbose=False)
    export(folder / "run" / "last.pth", folder / "model.onnx", simplifier="none")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of pictures: class folders of PNG files, an NPZ file."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, (pixels, shade) in enumerate(zip(PIXELS, SHADES, strict=True)):
        (folder / "classes" / shade).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "classes" / shade / f"{number:02}.png")
    np.savez(folder / "all.npz", data=PIXELS, label=SHADES)
    np.save(folder / "all.npy", PIXELS)
    model = nn("cls", folder / "run")
    model.set_seed(0)
    model.load_img_data(str(folder / "classes"), color="grayscale", train_val_ratio=0.8)
    model.add("linear", size=2)
    model.train(epochs=3, lr=0.05, verbose=False)
    export(folder / "run" / "last.pth", folder / "model.onnx", simplifier="none")
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of texts: tables, a file of lines, a file per class, strings in NPZ and NPY."""
    folder = tmp_path_factory.mktemp("texts")
    frame = pandas.DataFrame({"text": TEXTS, "kind": ANIMALS})
    frame.to_csv(folder / "all.csv", index=False)
    frame.to_csv(folder / "all.tsv", index=False, sep="\t")
    (folder / "all.txt").write_text("\n".join(TEXTS) + "\n")
    (folder / "folder").mkdir()
    for animal, group in frame.groupby("kind"):
        (folder / "folder" / f"{animal}.txt").write_text("\n".join(group["text"]) + "\n")
    np.savez(folder / "all.npz", data=np.array(TEXTS), label=np.array(ANIMALS))
    np.save(folder / "all.npy", np.array(TEXTS))
    model = nn("cls", folder / "run")
    model.set_seed(0)
    model.load_text_data(TEXTS, ANIMALS, level="word", train_val_ratio=0.8)
    model.add("embedding", size=6)
    model.add("lstm", size=8, last_step=True)
    model.add("linear", size=2)
    model.train(epochs=20, lr=0.05, verbose=False)
    export(folder / "run" / "last.pth", folder / "model.onnx", simplifier="none")
    return folder


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of sequences of different lengths: all steps one after another in NPZ."""
    folder = tmp_path_factory.mktemp("sequences")
    lengths = [len(steps) for steps in STEPS]
    np.savez(folder / "all.npz", data=np.concatenate(STEPS), lengths=lengths, label=TURNS)
    model = nn("cls", folder / "run")
    model.set_seed(0)
    model.load_dataset(STEPS, TURNS, train_val_ratio=0.8)
    model.add("gru", size=8, last_step=True)
    model.add("linear", size=2)
    model.train(epochs=20, lr=0.02, verbose=False)
    export(folder / "run" / "last.pth", folder / "model.onnx", simplifier="none")
    return folder


def asked_and_compared(opened: Any, folder: Path, data: Path, answers: list[str]) -> None:
    """`toolkit predict` and `check --data` on a file."""
    said = json.loads(CliRunner().invoke(main, ["predict", str(opened.path), str(data), "--json"]).stdout)
    assert [entry["label"] for entry in said["predictions"]] == answers, data
    compared = check(opened.path, folder / "run" / "last.pth", data=data)
    assert compared.agreement is not None and compared.agreement.answers == len(answers)


def learnt(data: Any) -> list[tuple[list[float], int]]:
    """Prepared inputs with their targets, whatever their order."""
    rows = data.inputs.take(torch.arange(len(data)))
    rows = rows[0] if isinstance(rows, tuple) else rows
    return sorted(zip(rows.tolist(), data.targets.tolist(), strict=True))


def table_forms(folder: Path) -> dict[str, Any]:
    frame = pandas.read_csv(folder / "turned.csv")
    return {
        "csv": folder / "rows.csv",
        "tsv": folder / "rows.tsv",
        "columns in another order, and further ones": folder / "turned.csv",
        "npz": folder / "rows.npz",
        "npy": folder / "rows.npy",
        "array": ROWS,
        "lists": ROWS.tolist(),
        "data frame": frame,
        "mappings": frame.to_dict("records"),
    }


def test_a_table_is_answered_alike_in_every_form_and_at_every_door(table: Path) -> None:
    opened, model = runtime.load(table / "model.onnx", "cpu"), nn("cls")
    model.load(table / "run" / "last.pth")
    expected = model.inference(ROWS)
    logits = torch.from_numpy(expected).softmax(1).numpy()  # the file gives probabilities, the network ends in logits
    for form, data in table_forms(table).items():
        np.testing.assert_allclose(model.inference(data), expected, rtol=1e-6, err_msg=form)
        found = np.stack([result.probabilities for result in opened.predict(data)])
        np.testing.assert_allclose(found, logits, rtol=1e-4, err_msg=form)
        if isinstance(data, Path):
            answers = json.loads(CliRunner().invoke(main, ["predict", str(opened.path), str(data), "--json"]).stdout)
            assert [entry["label"] for entry in answers["predictions"]] == [r.label for r in opened.predict(ROWS)], form
            compared = check(opened.path, table / "run" / "last.pth", data=data)
            assert compared.agreement is not None and compared.agreement.answers == 40


def test_a_table_is_learnt_alike_from_every_form_and_door(table: Path) -> None:
    def taken(data: Any) -> tuple[np.ndarray, np.ndarray]:
        raw = data.inputs.take(torch.arange(len(data))).numpy()
        return raw, np.array([data.labels[index] for index in data.targets])

    def loaded(call: str, *arguments: Any, **named: Any) -> Any:
        model = nn("cls")
        getattr(model, call)(*arguments, train_val_ratio=1.0, **named)
        return model.batches[0].data

    frame = pandas.read_csv(table / "rows.csv")
    known = open_source(table / "rows.csv").train
    expected, kinds = taken(known)
    assert (kinds == KINDS).all()
    for form, data in {
        "csv": loaded("load_tab_data", str(table / "rows.csv")),
        "tsv": loaded("load_tab_data", str(table / "rows.tsv")),
        "data frame": loaded("load_dataset", frame, "kind"),
        "the command line": open_source(table / "rows.tsv").train,
    }.items():
        rows, labels = taken(data)
        np.testing.assert_allclose(rows, expected, rtol=1e-6, err_msg=form)
        assert (labels == KINDS).all(), form
        assert data.card.columns == NAMES, form
    plain = loaded("load_tab_data", str(table / "rows.csv"), scale=False)
    for form, data in {
        "npz": loaded("load_npz_data", str(table / "rows.npz")),
        "arrays": loaded("load_dataset", ROWS, KINDS),
        "lists": loaded("load_dataset", ROWS.tolist(), KINDS.tolist()),
        "npz at the command line": open_source(table / "rows.npz").train,
    }.items():  # arrays are taken as they are
        rows, labels = taken(data)
        np.testing.assert_array_equal(rows, taken(plain)[0], err_msg=form)
        assert (labels == KINDS).all() and data.labels == plain.labels, form
    card = runtime.load(table / "model.onnx", "cpu").card
    assert card is not None
    card = replace(card, inputs=tuple(entry.prepared_outside() for entry in card.inputs))
    for name in ("rows.csv", "rows.tsv", "rows.npz", "turned.csv"):  # --calibration and --evaluation
        examples = open_examples(table / name, card)
        np.testing.assert_allclose(next(iter(examples.feeds(card, np.arange(40)).values())), expected, rtol=1e-6)
        assert [card.labels[index] for index in examples.targets] == KINDS.tolist()


def test_pictures_are_answered_and_learnt_alike(pictures: Path) -> None:
    opened, model = runtime.load(pictures / "model.onnx", "cpu"), nn("cls")
    model.load(pictures / "run" / "last.pth")
    files = sorted((pictures / "classes").rglob("*.png"), key=lambda path: path.name)
    expected = model.inference([str(path) for path in files])
    answers = [result.index for result in opened.predict([str(path) for path in files])]
    assert answers == expected.argmax(1).tolist()
    for form, data in {
        "array": PIXELS[:, None],
        "list of arrays": list(PIXELS),
        "list of pictures": [Image.fromarray(pixels) for pixels in PIXELS],
        "npz": pictures / "all.npz",
        "npy": pictures / "all.npy",
    }.items():
        np.testing.assert_allclose(model.inference(data), expected, rtol=1e-5, atol=1e-6, err_msg=form)
        assert [result.index for result in opened.predict(data)] == answers, form
    assert opened.card is not None
    by_name = {path.name: index for path, index in zip(files, answers, strict=True)}
    folder = opened.predict(pictures / "classes")
    assert [by_name[Path(result.source).name] for result in folder] == [result.index for result in folder]
    for place in (pictures / "classes", pictures / "all.npz"):
        examples = open_examples(place, opened.card)
        fed = next(iter(examples.feeds(opened.card, np.arange(24)).values()))
        said = opened.run({opened.inputs[0].name: fed})["probabilities"].argmax(1)
        assert sorted(zip(said.tolist(), examples.targets.tolist(), strict=True)) == sorted(
            zip(answers, [opened.card.labels.index(shade) for shade in SHADES], strict=True)
        )
        compared = check(opened.path, pictures / "run" / "last.pth", data=place)
        assert compared.agreement is not None and compared.agreement.answers == 24


def test_texts_are_answered_and_learnt_alike(texts: Path) -> None:
    opened, model = runtime.load(texts / "model.onnx", "cpu"), nn("cls")
    model.load(texts / "run" / "last.pth")
    assert opened.card is not None
    expected = model.inference(TEXTS)
    answers = [result.label for result in opened.predict(TEXTS)]
    assert answers == [opened.card.labels[index] for index in expected.argmax(1)] and len(set(answers)) == 2
    frame = pandas.read_csv(texts / "all.csv")
    for form, data in {
        **{suffix: texts / f"all.{suffix}" for suffix in ("csv", "tsv", "txt", "npz", "npy")},
        "array": np.array(TEXTS),
        "data frame": frame,
        "mappings": frame.to_dict("records"),
    }.items():
        np.testing.assert_allclose(model.inference(data), expected, rtol=1e-5, atol=1e-6, err_msg=form)
        assert [result.label for result in opened.predict(data)] == answers, form
        if isinstance(data, Path):
            asked_and_compared(opened, texts, data, answers)
    by_text = dict(zip(TEXTS, answers, strict=True))
    for result in opened.predict(texts / "folder"):
        assert by_text[str(result.source)] == result.label
    known = open_source(texts / "all.csv", level="word").train
    for place in ("all.csv", "all.tsv", "all.npz", "folder"):
        data = open_source(texts / place, level="word").train
        assert (data.labels, data.card.vocabulary) == (known.labels, known.card.vocabulary), place
        assert learnt(data) == learnt(known), place
        examples = open_examples(texts / place, opened.card)
        rows = next(iter(examples.feeds(opened.card, np.arange(len(TEXTS))).values()))
        assert sorted(zip(rows.tolist(), examples.targets.tolist(), strict=True)) == learnt(known), place


def test_sequences_are_answered_and_learnt_alike(sequences: Path) -> None:
    opened, model = runtime.load(sequences / "model.onnx", "cpu"), nn("cls")
    model.load(sequences / "run" / "last.pth")
    assert opened.card is not None
    expected = np.concatenate([model.inference([steps]) for steps in STEPS])  # each by itself
    answers = [opened.card.labels[index] for index in expected.argmax(1)]
    assert len(set(answers)) > 1
    for form, data in {
        "arrays": STEPS,
        "lists": [steps.tolist() for steps in STEPS],
        "npz": sequences / "all.npz",
    }.items():
        np.testing.assert_allclose(model.inference(data), expected, rtol=1e-4, atol=1e-6, err_msg=form)
        assert [result.label for result in opened.predict(data)] == answers, form
        if isinstance(data, Path):
            asked_and_compared(opened, sequences, data, answers)
    known = nn("cls")
    known.load_dataset(STEPS, TURNS, train_val_ratio=1.0)
    data = open_source(sequences / "all.npz").train
    assert repr(learnt(data)) == repr(learnt(known.batches[0].data))  # padded steps are NaN, which differs from itself
    examples = open_examples(sequences / "all.npz", opened.card)
    assert [opened.card.labels[index] for index in examples.targets] == TURNS.tolist()


@pytest.mark.parametrize("kind", ["table", "pictures", "texts", "sequences"])
def test_the_export_is_judged_alike_on_every_source(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """`toolkit export --calibration --evaluation`: the same rows give the same accuracies."""
    folder = request.getfixturevalue(kind)
    names = {"table": ("rows.csv", "rows.tsv", "rows.npz"), "pictures": ("classes", "all.npz")}
    found = []
    for number, name in enumerate(
        names.get(kind, ("all.csv", "all.npz", "folder") if kind == "texts" else ("all.npz",))
    ):
        source, file = str(folder / name), tmp_path / f"{number}.onnx"
        options = ["--precision", "auto", "--calibration", source, "--evaluation", source]
        result = CliRunner().invoke(
            main, ["export", str(folder / "run" / "last.pth"), "-o", str(file), *options, "--json"]
        )
        assert result.exit_code == 0, result.output
        judged = json.loads(result.stdout)["facts"]["precision"]
        right = {entry["name"]: entry["right"] for entry in judged["candidates"]}
        found.append((judged["data"]["labelled"], judged["data"]["rows"], right))
    assert found[0][0] and {"fp32", "int8"} <= set(found[0][2]) and all(entry == found[0] for entry in found), found


@pytest.mark.parametrize("kind", ["table", "pictures", "texts", "sequences"])
def test_the_parts_of_a_folder_are_those_of_the_training(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """--evaluation judges on the part that training keeps apart, --calibration takes the one that it learns from."""
    folder = request.getfixturevalue(kind)
    card = runtime.load(folder / "model.onnx", "cpu").card
    assert card is not None
    source = {"table": "rows.csv", "pictures": "classes", "texts": "folder", "sequences": "all.npz"}[kind]
    for part in ("train", "val"):
        if (folder / source).is_dir():
            shutil.copytree(folder / source, tmp_path / part)
        else:
            shutil.copy(folder / source, tmp_path / Path(part).with_suffix(Path(source).suffix))
    options = {"color": "grayscale"} if kind == "pictures" else {"level": "word"} if kind == "texts" else {}
    opened = open_source(tmp_path, **options)
    assert opened.validation is not None and opened.test is None
    learnt_from, judged_on = open_examples(tmp_path, card), open_examples(tmp_path, card, "test")
    assert Path(learnt_from.source).stem == "train"
    assert "val" in judged_on.source and len(judged_on) == len(opened.validation)
    assert judged_on.targets is not None
    assert sorted(judged_on.targets.tolist()) == sorted(opened.validation.targets.tolist())

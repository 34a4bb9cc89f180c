"""Scripts in the manner of BaseNN: assemble, load, train, infer, save, load, convert."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

import runtime
from runtime.errors import CheckpointError, InputError, SpecError, ToolkitError
from runtime.preprocess import prepare_image
from toolkit import nn, pth_info
from toolkit.data import Batches
from toolkit.data.class_names import class_names
from toolkit.training.checkpoints.checkpoint import Checkpoint


def dense(model: nn, outputs: int, last: str | None = "Softmax") -> None:
    model.add("Linear", size=8, activation="ReLU")
    model.add("Linear", size=outputs, activation=last)
    model.add(optimizer="Adam")


@pytest.fixture(scope="module")
def flower_model(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> nn:
    """A classifier of the table, trained with a validation part."""
    folder = tmp_path_factory.mktemp("flower")
    model = nn("cls")
    model.save_fold = folder
    model.set_seed(1)
    model.load_tab_data(flowers, batch_size=16, train_val_ratio=0.8)
    dense(model, 3)
    model.history = model.train(lr=0.03, epochs=15, metrics=["acc", "mae"], verbose=False)  # type: ignore[attr-defined]
    return model


@pytest.fixture(scope="module")
def digit_model(digit_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> nn:
    """A classifier of the picture folder."""
    model = nn("cls", tmp_path_factory.mktemp("digit"))
    model.set_seed(2)
    model.load_img_data(digit_folder, color="grayscale", batch_size=12)
    dense(model, 3)
    model.train(lr=0.03, epochs=15, verbose=False)
    return model


# ---- assembling ---------------------------------------------------------------------------------------------------------


def test_both_networks_of_the_design_are_assembled_by_name_without_case() -> None:
    pictures = nn("CLS", input_shape=(1, 20, 20))
    pictures.add("Conv2D", size=(1, 10), kernel_size=(5, 5), activation="ReLU")
    pictures.add("MaxPool", kernel_size=(2, 2))
    pictures.add("conv2d", size=(10, 20), kernel_size=(5, 5), activation="relu")
    pictures.add("AVGPOOL", kernel_size=(2, 2))
    pictures.add("Linear", size=(80, 10), activation="ReLU")
    pictures.add("Linear", size=(10, 2), activation="Softmax")
    assert pictures.model(torch.rand(4, 1, 20, 20)).shape == (4, 2)

    table = nn("cls")
    table.add("Linear", size=(4, 10), activation="ReLU")
    table.add("Linear", size=(10, 5), activation="ReLU")
    table.add("linear", size=(5, 3), activation="softmax")
    assert table.model(torch.rand(4, 4)).shape == (4, 3)


def test_the_mismatch_is_reported_by_the_add_that_made_it_and_the_network_stays_as_it_was() -> None:
    model = nn("cls", input_shape=(1, 8, 8))
    model.add("conv2d", size=(1, 10), kernel_size=1)
    model.add("maxpool", kernel_size=2)
    with pytest.raises(SpecError) as caught:
        model.add("linear", size=(90, 10))
    assert str(caught.value) == (
        "layer 3 'linear': size=(90, 10) expects 90 input features, but it receives 160 (input shape (N, 10, 4, 4))."
    )
    model.add("linear", size=10)
    assert model.spec.layers[-1].arguments["size"] == (160, 10)


def test_data_that_does_not_fit_the_layers_is_refused_when_it_is_loaded(digits: Any) -> None:
    model = nn("cls")
    model.add("linear", size=(63, 10))
    with pytest.raises(SpecError, match="size=\\(63, 10\\) expects 63 input features, but it receives 64"):
        model.load_dataset(*digits)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn("clss"), "The task 'clss' is not known. Did you mean 'cls'?"),
        (lambda: nn(3), "The task 3 is not known."),  # type: ignore[arg-type]
        (lambda: nn("cls", input_shape=7), "The input shape 7 was given"),  # type: ignore[arg-type]
        (lambda: nn().add("linaer", size=3), "There is no layer 'linaer'. Did you mean 'linear'"),
        (lambda: nn().add("linear", sise=3), "there is no argument 'sise'. Did you mean 'size'?"),
        (lambda: nn().add("linear", size=3, activation="rely"), "There is no activation 'rely'. Did you mean 'relu'"),
        (lambda: nn().add(optimizer="Adma"), "There is no optimiser 'Adma'. Did you mean"),
        (lambda: nn().add(optimizer=5), "There is no optimiser 5."),  # type: ignore[arg-type]
        (lambda: nn().add(), "add() was given neither a layer nor an activation."),
        (lambda: nn().add(optimizer="sgd", size=3), "add() was given neither a layer nor an activation."),
        (lambda: nn().add(activation="relu", size=3), "layer 1: size was given, but no layer's name."),
        (lambda: nn().add(torch.nn.Linear(4, 3), bias=True), "were given beside a finished Linear"),
        (lambda: nn().model, "The network has no layers yet."),
        (lambda: nn().train(), "There is no data to train on."),
        (lambda: nn().inference([1.0]), "The network has no layers yet."),
        (lambda: nn().print_result(), "There is no result yet."),
        (lambda: nn().set_seed(-1), "seed=-1 was given"),
        (lambda: nn().set_seed(1.5), "seed=1.5 was given"),  # type: ignore[arg-type]
    ],
)
def test_what_a_user_gets_wrong_is_named_with_the_remedy(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        call()
    assert words in str(caught.value)


def test_a_seed_gives_the_same_weights_and_the_same_numbers_everywhere() -> None:
    drawn = []
    for _ in range(2):
        model = nn("cls", input_shape=(4,))
        model.set_seed(7)
        model.add("linear", size=3)
        numbers = (random.random(), float(np.random.rand()), float(torch.rand(())))
        drawn.append((numbers, [tensor.clone() for tensor in model.model.state_dict().values()]))
    assert drawn[0][0] == drawn[1][0]
    assert all(torch.equal(a, b) for a, b in zip(drawn[0][1], drawn[1][1], strict=True))


@pytest.mark.parametrize(
    "classes", [["cat", "dog"], ("cat", "dog"), {"cat": 0, "dog": 1}, {1: "dog", 0: "cat"}, {"0": "cat", "1": "dog"}]
)
def test_class_names_come_in_any_form(classes: Any) -> None:
    assert class_names(classes) == ("cat", "dog")


@pytest.mark.parametrize(
    "classes", [{"cat": 1, "dog": 2}, {"cat": "0"}, {"cat": 0, "dog": 0}, {0.5: "cat"}, {"a": None}]
)
def test_indices_that_are_not_0_1_2_are_refused(classes: Any) -> None:
    with pytest.raises(InputError, match="one for each name, are expected"):
        class_names(classes)


# ---- tables -------------------------------------------------------------------------------------------------------------


def test_training_returns_one_dictionary_an_epoch(flower_model: nn) -> None:
    history = flower_model.history  # type: ignore[attr-defined]
    assert isinstance(history, list)
    assert len(history) == 15
    names = ["epoch", "loss", "acc", "mae", "val_loss", "val_acc", "val_mae", "lr", "seconds"]
    assert [list(entry) for entry in history] == [names] * 15
    assert [entry["epoch"] for entry in history] == list(range(15))
    assert history[-1]["val_acc"] == 1
    assert history[-1]["loss"] < history[0]["loss"] / 3


def test_the_folder_holds_the_checkpoints_and_the_named_file(flower_model: nn) -> None:
    folder = Path(flower_model.save_fold)
    assert {path.name for path in folder.iterdir()} == {
        "basenn.pth", "best.pth", "last.pth", "history.json", "history.csv", "run.json", "curves.png", "confusion.png",
    }  # fmt: skip


def test_a_table_is_inferred_from_a_file_a_list_or_an_array(flower_model: nn, flowers: Path, tmp_path: Path) -> None:
    with flowers.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    values = np.array([row[:-1] for row in rows[1:]], float)
    whole = flower_model.inference(flowers, label=True)
    assert whole.shape == (60, 3)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(flower_model.inference(values), whole)
    np.testing.assert_array_equal(flower_model.inference(values.tolist()), whole)
    np.testing.assert_array_equal(flower_model.inference(torch.from_numpy(values)), whole)
    one = flower_model.inference(values[3].tolist())
    assert one.shape == (1, 3)
    np.testing.assert_allclose(one[0], whole[3], rtol=1e-5)
    unlabelled = tmp_path / "rows.csv"
    unlabelled.write_text("\n".join(",".join(row[:-1]) for row in rows), encoding="utf-8")
    np.testing.assert_array_equal(flower_model.inference(unlabelled), whole)


def test_a_label_column_is_left_out_whether_it_is_announced_or_not(flower_model: nn, flowers: Path) -> None:
    np.testing.assert_array_equal(flower_model.inference(flowers), flower_model.inference(flowers, label=True))


@pytest.mark.parametrize(
    "data",
    [None, [1.0, 2.0], "missing.csv", np.zeros((2, 5)), [[1, 2, 3, "x"]], [[1, 2, 3, float("nan")]]],
)
def test_data_that_does_not_fit_is_refused(flower_model: nn, data: Any) -> None:
    with pytest.raises(ToolkitError):
        flower_model.inference(data)


def test_the_result_in_words_has_the_familiar_shape(
    flower_model: nn, flowers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = flower_model.inference(flowers, label=True, show=True)
    assert capsys.readouterr().out.count("\n") >= 7
    words = flower_model.print_result()
    assert capsys.readouterr().out.startswith("{0: {'预测值': 'setosa', '置信度': ")
    assert list(words) == list(range(60))
    assert words[0] == {"预测值": "setosa", "置信度": result[0].max()}
    assert [words[row]["预测值"] for row in (0, 20, 59)] == ["setosa", "versicolor", "virginica"]
    assert flower_model.print_result(result[45:46]) == {0: words[45]}
    assert flower_model.print_result(result[45]) == {0: words[45]}


def test_loaded_batches_are_inferred_with_their_labels(flowers: Path, flower_model: nn) -> None:
    model = nn("cls")
    model.set_seed(1)
    train, validation = model.load_tab_data(flowers, train_val_ratio=0.8, batch_size=7)
    model.load(Path(flower_model.save_fold) / "last.pth")
    result = model.inference(validation)
    assert result.shape == (12, 3)
    assert model.val_label is not None
    assert (result.argmax(1) == model.val_label).all()
    again = model.inference(train)  # in the data's order, though training shuffles them
    assert again.shape == (len(model.val_label), 3)
    assert (again.argmax(1) == model.val_label).mean() > 0.9


def test_the_card_keeps_the_scaling_of_the_table(flower_model: nn, flowers: Path) -> None:
    card = Checkpoint.load(Path(flower_model.save_fold) / "last.pth").card
    assert card.labels == ("setosa", "versicolor", "virginica")
    table = card.inputs[0]
    assert table.kind == "table"
    assert table.columns == ("sepal length", "sepal width", "petal length", "petal width")
    values = np.genfromtxt(flowers, delimiter=",", skip_header=1, usecols=range(4))
    np.testing.assert_allclose(table.mean, values.mean(0))
    np.testing.assert_allclose(table.std, values.std(0))


# ---- pictures -----------------------------------------------------------------------------------------------------------


def test_pictures_are_inferred_from_a_path_a_folder_a_list_or_an_array(digit_model: nn, digit_folder: Path) -> None:
    path = digit_folder / "one" / "3.png"
    one = digit_model.inference(path)
    assert one.shape == (1, 3)
    assert one.argmax() == 0  # the folders in the order of their names: one, two, zero
    folder = digit_model.inference(str(digit_folder / "one"))
    assert folder.shape == (12, 3)
    np.testing.assert_allclose(folder[3], one[0], rtol=1e-5)
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
        several = digit_model.inference([path, picture.copy(), pixels])
    np.testing.assert_allclose(several, np.repeat(one, 3, 0), rtol=1e-5)
    np.testing.assert_allclose(digit_model.inference(pixels), one, rtol=1e-5)
    prepared = prepare_image(path, Checkpoint.load(Path(digit_model.save_fold) / "last.pth").card.inputs[0])  # type: ignore[arg-type]
    np.testing.assert_allclose(digit_model.inference(prepared), one, rtol=1e-5)


def test_classes_are_the_folders_in_the_order_of_their_names(digit_model: nn, digit_folder: Path) -> None:
    assert Checkpoint.load(Path(digit_model.save_fold) / "last.pth").card.labels == ("one", "two", "zero")
    words = [digit_model.print_result(digit_model.inference(digit_folder / name)) for name in ("zero", "one", "two")]
    for name, found in zip(("zero", "one", "two"), words, strict=True):
        assert sum(entry["预测值"] == name for entry in found.values()) >= 11


@pytest.mark.parametrize(
    "classes", [["uno", "due", "nil"], {"uno": 0, "due": 1, "nil": 2}, {0: "uno", 1: "due", 2: "nil"}]
)
def test_classes_can_be_named_in_the_order_of_the_folders(digit_folder: Path, classes: Any) -> None:
    model = nn("cls")
    batches = model.load_img_data(digit_folder, classes=classes, color="grayscale")
    assert isinstance(batches, Batches)
    assert batches.data.labels == ("uno", "due", "nil")


def test_too_few_class_names_are_refused(digit_folder: Path) -> None:
    with pytest.raises(InputError, match=r"2 class names were given; .* has 3 class folders: one, two, zero"):
        nn("cls").load_img_data(digit_folder, classes=["a", "b"])


@pytest.mark.parametrize(
    "transform", [{"Resize": (6, 7)}, transforms.Resize((6, 7)), transforms.Compose([transforms.Resize((6, 7))])]
)
def test_pictures_are_brought_to_the_size_that_is_asked_for(digit_folder: Path, transform: Any) -> None:
    model = nn("cls")
    train, validation = model.load_img_data(
        digit_folder, train_val_ratio=0.75, color="grayscale", transform=transform, batch_size=5
    )
    assert (train.examples, validation.examples) == (27, 9)
    assert next(iter(train))[0].shape == (5, 1, 6, 7)


def test_pictures_are_rgb_unless_said_otherwise(digit_folder: Path) -> None:
    model = nn("cls")
    batches = model.load_img_data(digit_folder)
    inputs, targets = next(iter(batches))
    assert inputs.shape == (32, 3, 8, 8)
    assert torch.equal(inputs[:, 0], inputs[:, 2])
    assert targets.dtype == torch.int64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"color": "RBG"}, "color='RBG' was given."),
        ({"train_val_ratio": 1.5}, "The training share is 1.5"),
        ({"train_val_ratio": 0.001}, "leaves one part empty"),
        ({"batch_size": 0}, "batch_size=0 was given"),
        ({"num_workers": -1}, "workers=-1 was given"),
        ({"transform": {"Resise": 8}}, "There is no transform 'Resise'. Did you mean 'Resize'?"),
    ],
)
def test_wrong_arguments_for_pictures_are_named(digit_folder: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        nn("cls").load_img_data(digit_folder, **arguments)


# ---- arrays and regression -----------------------------------------------------------------------------------------------


def test_arrays_are_loaded_trained_and_inferred(digits: Any, tmp_path: Path) -> None:
    x, y = digits
    model = nn("cls", tmp_path)
    model.set_seed(0)
    batches = model.load_dataset(x, y, batch_size=50)
    dense(model, 10)
    model.train(lr=0.02, epochs=12, verbose=False, filename=None)
    assert not (tmp_path / "basenn.pth").exists()
    assert batches.examples == 200
    found = model.inference(x)
    assert (found.argmax(1) == y).mean() > 0.9
    assert model.print_result()[0]["预测值"] == y[0]  # classes that are numbers come back as numbers


def test_a_regression_is_trained_inferred_and_put_into_words(tmp_path: Path) -> None:
    random_state = np.random.default_rng(0)
    x = random_state.uniform(-1, 1, (80, 2)).astype(np.float32)
    y = 3 * x[:, 0] - x[:, 1] + 0.5
    model = nn("reg", tmp_path)
    model.set_seed(0)
    model.load_dataset(x, y, train_val_ratio=0.75, batch_size=20, scale_targets=False)
    model.add("linear", size=1)
    history = model.train(lr=0.1, epochs=40, verbose=False)
    assert list(history[0]) == ["epoch", "loss", "mae", "r2", "val_loss", "val_mae", "val_r2", "lr", "seconds"]
    assert history[-1]["val_r2"] > 0.99
    weights = model.model.state_dict()
    torch.testing.assert_close(weights["linear1.weight"], torch.tensor([[3.0, -1.0]]), rtol=0.05, atol=0.05)
    result = model.inference(x[:2])
    assert result.shape == (2, 1)
    assert model.print_result() == {0: {"预测值": result[0, 0]}, 1: {"预测值": result[1, 0]}}
    assert not (tmp_path / "confusion.png").exists()


def test_several_targets_are_one_list_in_words() -> None:
    model = nn("reg")
    model.load_dataset(np.zeros((4, 3)), np.zeros((4, 2)))
    model.add("linear", size=2)
    words = model.print_result(model.inference([[1, 2, 3]]))
    assert list(words[0]) == ["预测值"]
    assert len(words[0]["预测值"]) == 2


def test_npz_files_are_loaded(digits: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", data=digits[0], label=digits[1])
    train, validation = nn("cls").load_npz_data(tmp_path / "digits.npz", train_val_ratio=0.9)
    assert (train.examples, validation.examples) == (180, 20)


@pytest.mark.parametrize(
    ("task", "outputs", "words"),
    [
        (
            "cls",
            4,
            r"ends in \(N, 4\), but the data has 10 classes \(0, 1, 2, 3, 4, 5, 6, 7, ...\). Let the last layer",
        ),
        ("reg", 4, r"ends in \(N, 4\), but the data has 1 targets \(target\). Let the last layer give \(N, 1\)"),
    ],
)
def test_a_network_with_another_number_of_outputs_is_refused_before_training(
    digits: Any, tmp_path: Path, task: str, outputs: int, words: str
) -> None:
    model = nn(task, tmp_path)
    model.load_dataset(*digits)
    model.add("linear", size=outputs)
    with pytest.raises(SpecError, match=words):
        model.train(epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_the_train_arguments_that_are_wrong_are_named(digits: Any, tmp_path: Path) -> None:
    model = nn("cls", tmp_path)
    model.load_dataset(*digits)
    model.add("linear", size=10)
    for arguments, words in (
        ({"epochs": 0}, "epochs=0 was given"),
        ({"epochs": 1.5}, "epochs=1.5 was given"),
        ({"lr": 0}, "lr=0 was given"),
        ({"lr": float("nan")}, "lr=nan was given"),
        ({"lr": "fast"}, "lr='fast' was given"),
        ({"weight_decay": -1}, "weight_decay=-1 was given"),
        ({"batch_size": 0}, "batch_size=0 was given"),
        ({"loss": "CrossEntropi"}, "There is no loss 'CrossEntropi'. Did you mean 'CrossEntropyLoss'?"),
        ({"loss": "PoissonNLLLoss"}, "PoissonNLLLoss"),
        ({"metrics": ["acuracy"]}, "There is no metric 'acuracy'."),
        ({"metrics": ["r2"]}, "The metric 'r2' does not fit classification"),
        ({"schedule": "cosin"}, "There is no schedule 'cosin'. Did you mean 'cosine'?"),
    ):
        with pytest.raises(SpecError) as caught:
            model.train(**{"epochs": 1, "verbose": False, **arguments})  # type: ignore[arg-type]
        assert words in str(caught.value)


# ---- files --------------------------------------------------------------------------------------------------------------


def test_a_saved_network_is_loaded_with_its_preparation_and_labels(
    flower_model: nn, flowers: Path, tmp_path: Path
) -> None:
    flower_model.save(tmp_path / "deep" / "flower.pth")
    fresh = nn("reg")  # the checkpoint knows the task
    fresh.load(tmp_path / "deep" / "flower.pth")
    expected = flower_model.inference(flowers, label=True)
    np.testing.assert_array_equal(fresh.inference(flowers, label=True), expected)
    assert fresh.print_result()[0]["预测值"] == "setosa"
    other = nn("cls")
    np.testing.assert_array_equal(
        other.inference(flowers, checkpoint=tmp_path / "deep" / "flower.pth", label=True), expected
    )


def test_a_network_is_saved_before_it_is_trained(digits: Any, tmp_path: Path) -> None:
    model = nn("cls")
    model.load_dataset(*digits)
    model.add("linear", size=10)
    model.save(tmp_path / "fresh.pth")
    assert torch.equal(
        Checkpoint.load(tmp_path / "fresh.pth").state_dict["linear1.weight"], model.model.state_dict()["linear1.weight"]
    )


def test_a_layer_that_is_added_after_training_is_saved_with_the_others(digits: Any, tmp_path: Path) -> None:
    model = nn("cls", tmp_path)
    model.load_dataset(*digits)
    model.add("linear", size=10)
    model.train(epochs=1, verbose=False)
    model.add("linear", size=10, activation="softmax")
    model.save(tmp_path / "longer.pth")
    assert len(Checkpoint.load(tmp_path / "longer.pth").network()) == 4


def test_without_data_or_a_checkpoint_nothing_is_saved(tmp_path: Path) -> None:
    model = nn("cls", input_shape=(4,))
    model.add("linear", size=3)
    with pytest.raises(SpecError, match="neither data nor a checkpoint"):
        model.save(tmp_path / "a.pth")
    with pytest.raises(SpecError, match="neither data nor a checkpoint"):
        model.inference([1, 2, 3, 4])
    assert list(tmp_path.iterdir()) == []


def test_training_starts_from_the_weights_of_a_checkpoint(flower_model: nn, flowers: Path, tmp_path: Path) -> None:
    model = nn("cls", tmp_path)
    model.set_seed(1)
    model.load_tab_data(flowers, train_val_ratio=0.8)
    dense(model, 3)
    history = model.train(lr=1e-6, epochs=1, checkpoint=Path(flower_model.save_fold) / "last.pth", verbose=False)
    assert history[0]["acc"] > 0.95
    other = nn("cls", tmp_path)
    other.load_tab_data(flowers)
    other.add("linear", size=3)
    with pytest.raises(SpecError, match="holds another network than the one assembled here"):
        other.train(epochs=1, checkpoint=Path(flower_model.save_fold) / "last.pth")


def test_pth_info_prints_and_returns_what_a_checkpoint_says(
    flower_model: nn, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = pth_info(Path(flower_model.save_fold) / "best.pth")
    shown = capsys.readouterr().out
    assert "setosa, versicolor, virginica" in shown
    assert "linear1" in shown
    assert json.loads(json.dumps(facts))
    assert facts["task"] == "classification"
    assert facts["labels"] == ["setosa", "versicolor", "virginica"]
    assert facts["network"]["input_shape"] == [4]
    assert facts["training"]["measured"]["val_acc"] == 1
    assert facts["training"]["seed"] == 1


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    for call in (nn().load, pth_info, lambda path: nn().inference([1], checkpoint=path)):
        with pytest.raises(CheckpointError, match=r"nothing.pth does not exist"):
            call(tmp_path / "nothing.pth")


def test_convert_writes_a_file_that_predicts_the_same(flower_model: nn, flowers: Path, tmp_path: Path) -> None:
    report = flower_model.convert(out_file=tmp_path / "flower.onnx")
    assert report.path == tmp_path / "flower.onnx"
    model = runtime.load(tmp_path / "flower.onnx", "cpu")
    values = np.genfromtxt(flowers, delimiter=",", skip_header=1, usecols=range(4))
    found = model.predict(values)
    expected = flower_model.inference(values)
    np.testing.assert_allclose([entry.probabilities for entry in found], expected, rtol=1e-4, atol=1e-6)
    assert [entry.label for entry in found[::20]] == ["setosa", "versicolor", "virginica"]


def test_an_unknown_backend_suggests(flower_model: nn, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"There is no backend 'onx'. Did you mean 'onnx'\?"):
        flower_model.convert(out_file=tmp_path / "a.onnx", backend="onx")


def test_training_reports_a_line_an_epoch_unless_told_to_be_quiet(
    digits: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = nn("cls")
    model.set_seed(0)
    model.load_dataset(*digits, train_val_ratio=0.9)
    model.add("linear", size=10)
    model.train(epochs=2, save_fold=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert "val_acc" in lines[1]
    model.train(epochs=1, verbose=False)
    assert capsys.readouterr().out == ""


def test_numbers_of_numpy_are_settings_like_any_other(digits: Any, tmp_path: Path) -> None:
    model = nn("cls", tmp_path)
    model.load_dataset(*digits)
    model.add("linear", size=10)
    for rate in np.logspace(-3, -2, 2):
        model.train(lr=rate, weight_decay=np.float64(0), epochs=1, verbose=False)
    assert Checkpoint.load(tmp_path / "last.pth").training["settings"]["lr"] == 0.01


def test_loaded_weights_stay_when_data_of_the_same_shape_is_loaded_and_go_with_another(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)).astype(np.float32), random.integers(0, 3, 30)
    first = nn("cls", tmp_path / "run")
    first.load_dataset(x, y)
    first.add("linear", size=3, activation="softmax")
    first.train(epochs=1, lr=0.1, verbose=False)
    expected = first.inference(x)
    second = nn("cls")
    second.load(tmp_path / "run" / "last.pth")
    second.load_dataset(x[::-1].copy(), y)
    assert np.array_equal(second.inference(x), expected)
    with pytest.raises(SpecError, match="expects 4 input features, but it receives 5"):
        second.load_dataset(random.normal(size=(30, 5)).astype(np.float32), y)

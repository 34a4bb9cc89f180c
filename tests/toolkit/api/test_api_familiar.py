"""Scripts as BaseNN's users write them, with the import line changed: they run, and return what they are known to return."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torchvision import transforms

import runtime
from runtime import get_similarity
from runtime.errors import InputError, SpecError
from toolkit import nn, pth_info
from toolkit.builder.own_modules import forget_modules

POEMS = ["床前明月光", "疑是地上霜", "举头望明月", "低头思故乡"] * 5


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    forget_modules()


@pytest.fixture
def cats_and_dogs(tmp_path: Path) -> Path:
    """Photographs of different sizes: cats are reddish, dogs bluish."""
    random = np.random.default_rng(0)
    for name, hue in (("cat", (220, 60, 40)), ("dog", (40, 90, 230))):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 40, (*random.integers(20, 40, 2), 3)) + np.array(hue) // 2
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "set" / name / f"{number}.jpg")
    return tmp_path / "set"


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    """120 rows as in TensorFlow's iris_training.csv, whose header is no header."""
    random = np.random.default_rng(0)
    means = np.array([[5.0, 3.4, 1.5, 0.25], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.5, 2.0]])
    lines = ["120,4,setosa,versicolor,virginica"]
    for row in range(120):
        numbers = means[row % 3] + random.normal(0, 0.2, 4)
        lines.append(",".join(f"{number:.1f}" for number in numbers) + f",{row % 3}")
    (tmp_path / "iris_training.csv").write_text("\n".join(lines))
    return tmp_path / "iris_training.csv"


def actions(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, 30, 132) that drift according to one of three actions, with one-hot labels (N, 3)."""
    kinds = np.arange(24) % 3
    drift = kinds[:, None, None] * np.linspace(0, 1, 30)[None, :, None]
    return random.normal(0, 0.3, (24, 30, 132)) + drift, np.eye(3)[kinds]


# ---- pictures -----------------------------------------------------------------------------------------------------------


def test_a_folder_of_grey_pictures_with_lenet(digit_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = str(next(digit_folder.glob("*/*.png")))
    with Image.open(one) as picture:
        side = picture.width
    model = nn()
    model.set_seed(1)
    model.load_img_data(str(digit_folder), data_type="image_folder", color="grayscale", batch_size=20000, num_workers=0)
    model.add("Conv2D", size=(1, 6), kernel_size=(3, 3), activation="ReLU")
    model.add("AvgPool", kernel_size=(2, 2))
    model.add("Linear", size=(6 * ((side - 2) // 2) ** 2, 12), activation="ReLU")
    model.add("Linear", size=(12, 3), activation="Softmax")
    model.add(optimizer="SGD")
    model.save_fold = "new_mn_ckpt"
    log = model.train(lr=0.01, epochs=2)
    assert [set(entry) >= {"epoch", "loss"} for entry in log] == [True, True]

    result = model.inference(data=one, checkpoint="new_mn_ckpt/basenn.pth")
    assert (type(result), result.shape, result.dtype) == (np.ndarray, (1, 3), np.float32)
    words = model.print_result()
    assert list(words) == [0]
    kinds = ["one", "two", "zero"]  # the folders, sorted
    assert words[0] == {"预测值": kinds[result.argmax()], "置信度": float(result.max())}
    folder = str(Path(one).parent)
    assert model.inference(data=folder).shape == (len(list(Path(folder).iterdir())), 3)
    model.convert(checkpoint="new_mn_ckpt/basenn.pth", out_file="basenn_mn.onnx", opset_version=10, ir_version=6)
    versions = onnx.load("basenn_mn.onnx")
    assert (versions.opset_import[0].version, versions.ir_version) == (10, 6)
    np.testing.assert_allclose(runtime.load("basenn_mn.onnx").predict(one).probabilities, result[0], atol=1e-5)

    facts = pth_info("new_mn_ckpt/basenn.pth")
    shown = capsys.readouterr().out
    assert "grayscale" in shown
    assert len(shown.splitlines()) < 40
    assert facts["labels"] == kinds


@pytest.mark.parametrize("classes", [["cat", "dog"], {0: "cat", 1: "dog"}, {"cat": 0, "dog": 1}], ids=str)
@pytest.mark.parametrize(
    "transform",
    [{"Resize": [16, 16], "RandomVerticalFlip": 0.5}, {"Resize": (16, 16)}, transforms.Resize([16, 16])],
    ids=["with flips", "pair", "object"],
)
def test_photographs_with_classes_and_transforms_in_every_form(
    cats_and_dogs: Path, classes: Any, transform: Any
) -> None:
    model = nn()
    model.set_seed(123465)
    train, validation = model.load_img_data(
        cats_and_dogs, classes=classes, transform=transform, train_val_ratio=0.75, batch_size=6, batch_mode=True
    )
    pictures, labels = next(iter(train))
    assert (pictures.shape, pictures.dtype) == ((6, 3, 16, 16), torch.float32)
    assert (labels.shape, labels.dtype) == ((6,), torch.int64)
    model.add("Linear", size=(3 * 16 * 16, 2), activation="Softmax")
    model.save_fold = "new_cd_ckpt"
    model.train(lr=0.01, epochs=4, metrics=["acc"], verbose=False)
    picture = cats_and_dogs / "dog" / "1.jpg"
    array = np.array(Image.open(picture))
    result = model.inference(data=array, checkpoint="new_cd_ckpt/basenn.pth")
    np.testing.assert_allclose(result, model.inference(data=str(picture)), atol=1e-6)
    assert model.print_result()[0]["预测值"] == "dog"
    for batches, rows in ((validation, 4), (train, 12)):  # training shuffles and flips; results do not
        found = model.inference(batches)
        assert found.shape == (rows, 2)
        assert model.val_label is not None
        assert (found.argmax(1) == model.val_label).all()


def test_pictures_of_different_sizes_say_how_to_resize(cats_and_dogs: Path) -> None:
    for transform, remedy in ((None, r"transform \{'Resize': \["), ({"Resize": 16}, r"\{'Resize': \[16, 16\]\}")):
        with pytest.raises(InputError, match=remedy):
            nn().load_img_data(cats_and_dogs, transform=transform)


def test_several_workers_are_no_reason_to_warn(cats_and_dogs: Path) -> None:
    model = nn()
    batches = model.load_img_data(cats_and_dogs, transform={"Resize": [8, 8], "RandomVerticalFlip": 0.5}, num_workers=4)
    assert sum(len(labels) for _, labels in batches) == 16  # warnings are errors here
    batches.close()


def test_resnet_by_hand_and_mobilenet_features(cats_and_dogs: Path) -> None:
    model = nn()
    model.load_img_data(cats_and_dogs, transform={"Resize": [32, 32]}, classes={"cat": 0, "dog": 1}, batch_size=700)
    model.add("Conv2D", size=(3, 8), kernel_size=(7, 7), stride=2, padding=3, activation="ReLU")
    model.add("BatchNorm2d", size=8)
    model.add("MaxPool", kernel_size=(3, 3), stride=2, padding=1)
    model.add("Res_Block", size=(8, 8), num_blocks=2, stride=1)
    model.add("Res_Block", size=(8, 16), num_blocks=1, stride=2)
    model.add("res_bottleneck", size=(16, 8), num_blocks=1, stride=2)
    model.add("AvgPool", kernel_size=(2, 2))
    model.add("Linear", size=(32, 2), activation="Softmax")
    model.save_fold = "res_ckpt"
    model.train(lr=0.01, epochs=1, verbose=False)
    assert model.inference(cats_and_dogs / "dog" / "1.jpg", checkpoint="res_ckpt/basenn.pth").shape == (1, 2)

    model = nn(save_fold="mobilenet_ckpt")
    model.load_img_data(cats_and_dogs, transform={"Resize": [32, 32]}, classes={"cat": 0, "dog": 1}, num_workers=4)
    model.add("mobilenet_backbone")
    model.add("linear", size=(1280, 1000), activation="relu")
    model.add("linear", size=(1000, 2), activation="Softmax")
    model.train(lr=1e-4, epochs=1, verbose=False)
    dog, cat = (model.extract_feature(cats_and_dogs / name / "1.jpg") for name in ("dog", "cat"))
    assert dog.shape == (1, 1000)
    assert get_similarity(dog, np.array([dog[0], cat[0]])).shape == (1, 2)
    assert model.extract_feature(cats_and_dogs / "dog" / "1.jpg", layer="mobilenet_backbone1").shape == (1, 1280)
    with pytest.raises(SpecError, match="Did you mean 'resnet34'"):
        model.extract_feature(cats_and_dogs / "dog" / "1.jpg", pretrain="resnet_34")


def test_diffusion_makes_noise_and_pictures(digit_folder: Path) -> None:
    model = nn()
    model.load_img_data(digit_folder, batch_size=64, color="grayscale", shuffle=True)
    side = model.spec.input_shape[-1]  # type: ignore[index]
    model.add("diffusion_model", img_size=side, timestep=4, dim=8)
    model.save_fold = "diffusion_ckpt"
    assert set(model.train(epochs=1, metrics=[], lr=5e-4, verbose=False)[0]) == {"epoch", "loss", "lr", "seconds"}
    made = model.inference(checkpoint="diffusion_ckpt/basenn.pth", num=16, return_all_timesteps=True)
    assert made.shape == (16, 5, 1, side, side)
    model.show(made, size=(4, 4))
    assert Path("diffusion_ckpt/generated.png").is_file()
    model.show(made, size=(4, 5), visual_timesteps=True)
    assert model.inference(num=2, return_all_timesteps=False).shape == (2, 1, side, side)
    noisy = model.noisy(str(next(digit_folder.glob("*/*.png"))), timestep=4, num=3)
    assert (type(noisy), len(noisy), len(noisy[0]), noisy[0][0].shape) == (list, 3, 1, (side, side))


# ---- tables -------------------------------------------------------------------------------------------------------------


def test_iris_from_a_table_and_further_training_from_a_checkpoint(iris: Path) -> None:
    model = nn()
    model.set_seed(0)
    model.load_tab_data(str(iris), batch_size=200000)
    model.add(layer="Linear", size=(4, 10), activation="ReLU")
    model.add(layer="Linear", size=(10, 5), activation="ReLU")
    model.add(layer="Linear", size=(5, 3), activation="Softmax")
    model.save_fold = "iris_ckpt"
    log = model.train(lr=0.03, epochs=60, metrics=["acc", "mae", "mse"], verbose=False)
    assert {"acc", "mae", "mse"} <= set(log[-1])
    x = np.loadtxt(iris, dtype=float, delimiter=",", skiprows=1, usecols=range(4))
    y = np.loadtxt(iris, dtype=int, delimiter=",", skiprows=1, usecols=4)
    result = model.inference(x, label=True, checkpoint="iris_ckpt/basenn.pth")
    assert result.shape == (120, 3)
    assert (result.argmax(axis=1) == y).mean() > 0.9
    np.testing.assert_allclose(model.inference(str(iris), label=True), result, atol=1e-6)
    assert model.inference([[5.1, 3.5, 1.4, 0.2]]).shape == model.inference(x[0]).shape == (1, 3)

    files = model.visual_feature(x[0], save_fold="layers")
    assert "linear1" in Path("layers/layer_data.txt").read_text(encoding="utf-8")
    assert Path("layers/layer_data.txt") in files

    again = nn()  # the layers are those of the file
    again.load_tab_data(iris)
    again.save_fold = "iris_more"
    more = again.train(lr=0.001, epochs=1, checkpoint="iris_ckpt/basenn.pth", metrics=["acc"], verbose=False)
    assert more[0]["acc"] > 0.9
    other = nn()
    other.load_tab_data(iris)
    other.add("Linear", size=(4, 3))
    with pytest.raises(SpecError, match="Leave the layers out to take its own, or take what fits"):
        other.train(epochs=1, checkpoint="iris_ckpt/basenn.pth")


def test_a_regression_gives_plain_numbers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.uniform(0, 10, (60, 2))
    np.savetxt("house.csv", np.c_[x, x @ [3, 1] + 5], delimiter=",", header="area,rooms,price", comments="")
    model = nn("reg", "reg_ckpt")
    batches = model.load_tab_data("house.csv", batch_size=20)
    assert next(iter(batches))[1].shape == (20, 1)
    model.add("Linear", size=(2, 8), activation="ReLU")
    model.add("Linear", size=(8, 1))
    log = model.train(lr=0.01, epochs=2, loss="MSELoss", metrics=["mse"], verbose=False)
    assert "mse" in log[0]
    result = model.inference([[100, 3]], checkpoint="reg_ckpt/basenn.pth")
    assert result.shape == (1, 1)
    words = model.print_result()
    assert json.loads(json.dumps(words[0])) == {"预测值": float(result[0, 0])}


def test_columns_and_labels_of_a_data_frame_may_come_apart(iris: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(iris)
    model, other = nn(save_fold="frame"), nn()
    model.load_dataset(frame.iloc[:, :4], frame.iloc[:, 4])
    other.load_dataset(frame, "virginica")
    model.add("linear", size=(4, 3), activation="softmax")
    assert model.batches[0].targets().tolist() == other.batches[0].targets().tolist()
    model.train(epochs=1, verbose=False)
    assert model.inference(frame.iloc[:2, :4].to_numpy()).shape == (2, 3)
    with pytest.raises(InputError, match="is among the numbers and among the labels"):
        model.load_dataset(frame, frame["virginica"])


# ---- sequences ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("short", [False, True])
def test_actions_from_an_npz_with_one_hot_labels(short: bool) -> None:
    x, y = actions(np.random.default_rng(0))
    np.savez("combined.npz", data=x, label=y)
    model = nn()
    model.load_npz_data("combined.npz", batch_size=50, classes=["a", "b", "c"])
    if short:
        model.add("action_model", size=(132, 16))
    else:
        model.add("lstm", size=(132, 12))
        model.add("Dropout", p=0.2)
        model.add("unsqueeze")
        model.add("lstm", size=(12, 16))
        model.add("squeeze")
        model.add("BatchNorm1d", size=16)
    model.add("linear", size=(16, 8))
    model.add("Linear", size=(8, 3))
    model.add(activation="Softmax")
    model.save_fold = "action_ckpt"
    log = model.train(lr=0.01, epochs=2, loss="BCELoss", metrics=[], verbose=False)
    assert "acc" not in log[0]  # an empty list is no metric
    assert model.inference(x[20:], checkpoint="action_ckpt/basenn.pth").shape == (4, 3)
    assert model.print_result()[0]["预测值"] in "abc"
    assert model.inference(x[:1]).shape == model.inference(x[0]).shape == (1, 3)


class Poses(torch.nn.Module):
    """As in a tutorial: the softmax is a function in forward."""

    def __init__(self, careless: bool = False) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(132, 8, batch_first=True)
        self.norm = torch.nn.BatchNorm1d(8)
        self.out = torch.nn.Linear(8, 3)
        self.careless = careless

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.lstm(x)[0][:, -1:]
        return torch.softmax(self.out(self.norm(x.squeeze() if self.careless else x.squeeze(1))), dim=1)


def test_a_module_of_ones_own_in_place_of_layers(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = actions(np.random.default_rng(0))
    model = nn()
    model.load_dataset(x, y.astype(np.float32))
    model.add(Poses())
    model.save_fold = "action_ud"
    model.train(lr=0.01, epochs=2, loss="BCELoss", metrics=[], verbose=False)
    result = model.inference(x[:4], checkpoint="action_ud/basenn.pth")
    np.testing.assert_allclose(result.sum(1), 1, atol=1e-5)
    assert model.inference(x[:1]).shape == (1, 3)
    model.print_model()
    assert "LSTM" in capsys.readouterr().out


def test_a_module_that_squeezes_the_batch_away_is_named() -> None:
    x, y = actions(np.random.default_rng(0))
    model = nn()
    model.load_dataset(x, y)
    model.add(Poses(careless=True))
    model.save_fold = "careless"
    model.train(lr=0.01, epochs=1, loss="BCELoss", metrics=[], verbose=False)
    assert model.inference(x[:4]).shape == (4, 3)
    model.print_model()
    with pytest.raises(SpecError, match=r"Poses fails on one input \(1, 30, 132\).*squeeze\(1\)"):
        model.inference(x[:1])


def test_poems_are_continued_character_by_character() -> None:
    word2idx = {word: index for index, word in enumerate(sorted(set("".join(POEMS))))}
    word2idx["<START>"] = len(word2idx)
    data = np.array([[word2idx["<START>"], *(word2idx[word] for word in line)] for line in POEMS])
    model = nn()
    model.load_dataset(data[:, :-1], data[:, 1:], word2idx=word2idx)
    model.add("em_LSTM", size=(16, 32), num_layers=2)
    model.save_fold = "poem_ckpt"
    model.train(lr=0.02, epochs=20, verbose=False)
    model.train(lr=0.005, epochs=1, checkpoint="poem_ckpt/basenn.pth", verbose=False)
    assert model.word2idx == word2idx

    model, hidden, text = nn(), None, "床"
    for _ in range(3):
        output, hidden = model.inference(data=text[-1], hidden=hidden, checkpoint="poem_ckpt/basenn.pth")
        assert (output.shape, hidden[0].shape) == ((len(word2idx),), (2, 1, 32))
        np.testing.assert_allclose(output.sum(), 1, atol=1e-5)
        text += model.ix2word[int(np.argmax(output))]
    assert len(text) == 4
    assert model.idx2word == model.ix2word
    other = nn()
    other.load_dataset(np.zeros((2, 3)), [0, 1])
    with pytest.raises(SpecError, match="no vocabulary"):
        _ = other.word2idx


def test_a_pickled_vocabulary_says_how_to_give_it() -> None:
    np.savez("tang.npz", data=np.zeros((4, 3), int), label=np.zeros((4, 3), int), word2idx={"a": 0})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"word2idx=json.dumps\(word2idx\)"):
        nn().load_npz_data("tang.npz")
    np.savez("tang.npz", data=np.zeros((4, 3), int), label=np.zeros((4, 3), int), word2idx=json.dumps({"a": 0, "b": 1}))
    model = nn()
    model.load_npz_data("tang.npz")
    assert model.word2idx == {"a": 0, "b": 1}


# ---- what a tutorial's reader tries -------------------------------------------------------------------------------------


def test_pairs_and_triplets_are_loaded_for_an_embedding() -> None:
    random = np.random.default_rng(0)
    kinds = np.arange(30) % 3
    x = (np.eye(3)[kinds] @ random.normal(0, 2, (3, 6)) + random.normal(0, 0.2, (30, 6))).astype(np.float32)
    model = nn("embedding", save_fold="triplets")
    train, validation = model.load_triplets(x, np.roll(x, 3, axis=0), np.roll(x, 1, axis=0), train_val_ratio=0.8)
    assert next(iter(train))[0].shape == (24, 3, 6)
    assert len(validation.targets()) == 6
    model.add("linear", size=(6, 4))
    model.train(lr=0.01, epochs=2, verbose=False)
    assert model.inference(x[:3]).shape == (3, 4)
    assert list(model.print_result()[0]) == ["预测值"]
    model = nn("embedding", save_fold="pairs")
    model.load_pairs(x, np.roll(x, 1, axis=0), np.zeros(30))
    model.add("linear", size=(6, 4))
    assert "loss" in model.train(lr=0.01, epochs=1, loss="CosineEmbeddingLoss", verbose=False)[0]


def test_an_autoencoder_may_end_in_a_sigmoid_that_is_flattened() -> None:
    x = np.random.default_rng(0).random((12, 1, 8, 8)).astype(np.float32)
    model = nn("reg", save_fold="auto")
    model.load_dataset(x, x.reshape(12, -1))
    model.add("conv2d", size=(1, 2), kernel_size=2, stride=2, activation="relu")
    model.add("conv_transpose2d", size=(2, 1), kernel_size=2, stride=2, activation="sigmoid")
    model.add("flatten")
    assert "loss" in model.train(epochs=1, loss="BCELoss", verbose=False)[0]
    assert model.inference(x[0]).shape == (1, 64)
    model = nn("reg")
    model.load_dataset(x, x.reshape(12, -1))
    model.add("linear", size=(64, 64))
    model.add("flatten")
    with pytest.raises(SpecError, match="it wants probabilities"):
        model.train(epochs=1, loss="BCELoss")


def test_freezing_without_a_name_leaves_the_head() -> None:
    x, y = np.random.default_rng(0).random((12, 3, 32, 32)).astype(np.float32), np.arange(12) % 2
    model = nn(save_fold="frozen")
    model.load_dataset(x, y)
    model.add("conv2d", size=(3, 4), kernel_size=3, activation="relu")
    model.add("global_avgpool")
    model.add("linear", size=2, activation="softmax")
    model.freeze()
    assert model.frozen == ["conv2d1"]
    model.train(epochs=1, verbose=False)
    model = nn()
    model.load_dataset(x, y)
    model.add("resnet18", num_classes=2)
    model.freeze()
    assert model.frozen == [f"resnet18_1.{part}" for part in ("conv1", "bn1", *(f"layer{n}" for n in range(1, 5)))]
    with pytest.raises(SpecError, match=r"'resnet18_1.layer1' is within another layer: say '\*.layer1'"):
        model.freeze("layer1")


def test_the_confidence_is_a_probability_also_of_logits() -> None:
    model = nn(save_fold="logits")
    model.load_dataset(np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 3, classes=["a", "b", "c"])
    model.add("linear", size=(4, 3))
    model.train(epochs=1, verbose=False)
    result = model.inference([[9.0, -9, 9, -9]])
    assert not np.isclose(result.sum(), 1)
    expected = torch.from_numpy(result).softmax(1).max()
    assert model.print_result()[0]["置信度"] == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("layer", "remedy"),
    [
        ("relu", r"'relu' is an activation. Give it to the layer before, activation='relu', or add it alone"),
        ("Softmax", r"add\(activation='Softmax'\)"),
        ("dense", "Here it is called 'linear'"),
        ("fc", "Here it is called 'linear'"),
    ],
)
def test_names_of_elsewhere_are_answered(layer: str, remedy: str) -> None:
    with pytest.raises(SpecError, match=remedy):
        nn().add(layer, size=(4, 3))


def test_masks_say_which_task_they_are_for() -> None:
    with pytest.raises(InputError, match=r"use nn\('dense'\)"):
        nn().load_dataset(np.zeros((4, 1, 8, 8)), np.zeros((4, 8, 8), int))


def test_the_confidence_of_logits_that_look_like_probabilities_is_a_probability(tmp_path: Path) -> None:
    model = nn("cls", tmp_path)
    model.load_dataset(np.zeros((4, 2), np.float32), [0, 1, 0, 1])
    model.add("linear", size=(2, 2))
    layer = model.model[0]
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([0.25, 0.75]))
    model.inference(np.zeros((1, 2), np.float32))
    assert model.print_result()[0] == {"预测值": 1, "置信度": pytest.approx(1 / (1 + np.exp(-0.5)))}

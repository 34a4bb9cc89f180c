"""Architectures by name, prepared as their authors' published weights are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from exporters import export
from exporters.settings import make_settings
from exporters.sources import timm_models, torchvision_models
from exporters.sources.default_target import default_target
from exporters.sources.published import at_size
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from runtime.card import ArrayInput, ImageInput, TextInput
from runtime.errors import InputError, SpecError, ToolkitError
from runtime.preprocess import prepare_image

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


def fresh(arch: str, **options: Any) -> Subject:
    return make_subject(arch, settings=make_settings({"random_weights": True, **options}))


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (9, 7, 3), np.uint8))
    return [coarse.resize(size, Image.Resampling.BICUBIC) for size in ((320, 240), (97, 301), (224, 224), (400, 30))]


@needs_timm
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet18.tv_in1k",
        "vit_tiny_patch16_224",
        "mobilenetv3_large_100",
        "inception_v3",
        "eva02_tiny_patch14_336",
    ],
)
def test_pictures_are_prepared_as_by_timms_evaluation_transform(name: str) -> None:
    import timm
    from timm.data import create_transform, resolve_model_data_config

    with torch.device("meta"):
        module = timm.create_model(name)
    card = timm_models._published(module).input
    assert card is not None
    transform = create_transform(**resolve_model_data_config(module), is_training=False)
    for picture in pictures():
        np.testing.assert_allclose(prepare_image(picture, card), transform(picture).numpy(), atol=1e-5)


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b3", "vit_b_16", "maxvit_t"])
def test_pictures_are_prepared_as_by_the_transform_of_torchvisions_weights(name: str) -> None:
    from torchvision import models

    for entry in models.get_model_weights(name):
        found = torchvision_models._published(name, {}, entry.url.rpartition("/")[2])
        assert found.weights == f"torchvision's {entry.name}"
        assert found.input is not None
        assert len(found.labels) == 1000
        transform = entry.transforms()
        for picture in pictures():
            np.testing.assert_allclose(prepare_image(picture, found.input), transform(picture).numpy(), atol=1e-5)


def test_a_network_that_normalises_by_itself_is_given_the_usual_normalisation() -> None:
    own = torchvision_models._published("inception_v3", {}, "").input
    usual = torchvision_models._published("inception_v3", {"transform_input": True}, "").input
    assert own is not None
    assert usual is not None
    assert own.mean == (0.5, 0.5, 0.5)
    assert usual.mean == (0.485, 0.456, 0.406)


def test_published_preparation_is_taken_where_the_classes_are_the_published_ones() -> None:
    subject = fresh("torchvision:mobilenet_v3_small", input_size=(64,))
    card = subject.card.inputs[0]
    assert isinstance(card, ImageInput)
    assert (card.size, card.crop, card.resize) == ((64, 64), (64, 64), 73)
    assert subject.card.task == "classification"
    assert subject.card.labels == ()  # random weights tell nothing apart
    other = fresh("torchvision:mobilenet_v3_small", input_size=(64,), arch_args={"num_classes": 10})
    assert isinstance(other.card.inputs[0], ArrayInput)
    assert "--preprocess published" in "; ".join(other.notes)
    asked = fresh(
        "torchvision:mobilenet_v3_small", input_size=(64, 80), arch_args={"num_classes": 10}, preprocess="published"
    )
    assert isinstance(asked.card.inputs[0], ImageInput)
    assert asked.samples[0].shape == (3, 3, 64, 80)
    left_out = fresh("torchvision:mobilenet_v3_small", input_size=(64,), preprocess="none")
    assert isinstance(left_out.card.inputs[0], ArrayInput)


def test_published_labels_belong_to_weights_from_a_file(tmp_path: Path) -> None:
    from torchvision import models

    torch.save(models.mobilenet_v3_small().state_dict(), tmp_path / "weights.pth")
    subject = make_subject(
        tmp_path / "weights.pth",
        settings=make_settings({"arch": "torchvision:mobilenet_v3_small", "input_size": (3, 64, 64)}),
    )
    assert subject.card.labels[:1] == ("tench",)
    assert len(subject.card.labels) == 1000


@needs_timm
@pytest.mark.parametrize(
    ("arch", "options", "task", "shape"),
    [
        ("timm:test_resnet", {}, "classification", (3, 160, 160)),
        ("timm:test_resnet", {"arch_args": {"num_classes": 0}}, "embedding", (3, 160, 160)),
        ("timm:test_resnet", {"arch_args": {"in_chans": 1}, "input_size": (64,)}, "classification", (1, 64, 64)),
        ("timm:test_vit", {"arch_args": {"img_size": 64}}, "classification", (3, 64, 64)),
        ("torchvision:lraspp_mobilenet_v3_large", {"input_size": (64, 48)}, "raw", (3, 64, 48)),
        ("torchvision:mc3_18", {"input_size": (3, 4, 32, 32)}, "classification", (3, 4, 32, 32)),
        ("torchvision:resnet18", {"task": "raw", "input_size": (3, 32, 32)}, "raw", (3, 32, 32)),
    ],
)
def test_an_architectures_task_and_size_are_known(
    arch: str, options: dict[str, Any], task: str, shape: tuple[int, ...]
) -> None:
    subject = fresh(arch, **options)
    assert subject.card.task == task
    assert tuple(subject.samples[0].shape[1:]) == shape


@needs_timm
@pytest.mark.parametrize(
    ("arch", "options", "words"),
    [
        ("torchvision:resnet18", {"arch_args": {"colour": 3}}, "cannot be made with the arguments {'colour': 3}"),
        ("torchvision:resnet18", {"arch_args": {"weights": "DEFAULT"}}, "makes torchvision download weights"),
        ("timm:resnet18", {"arch_args": {"pretrained": True}}, "make timm fetch weights"),
        ("timm:resnet18.nosuchtag", {}, "no weights with the tag 'nosuchtag'"),
        ("timm:resnet18", {"arch_args": {"colour": 3}}, "cannot be made with the arguments {'colour': 3}"),
        ("torchvision:resnet18", {"input_size": (1, 2, 3, 4)}, "begins with a convolution over 2 axes"),
        (
            "torchvision:resnet18",
            {"input_size": (1, 32, 32), "preprocess": "none"},
            "failed on inputs of shape (3, 1, 32, 32)",
        ),
        ("torchvision:fcn_resnet50", {"preprocess": "published"}, "has none that a card can say"),
    ],
)
def test_what_an_architecture_does_not_take_is_refused(arch: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolkitError) as caught:
        fresh(arch, **options)
    assert words in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="Install it with: pip install timm"):
        fresh("timm:resnet18")


def test_the_input_of_a_network_of_ones_own_is_told_by_its_first_layer(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "import torch\n"
        "def dense(): return torch.nn.Sequential(torch.nn.Linear(7, 2))\n"
        "def pictures(): return torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3))\n"
        "def words(): return torch.nn.Sequential(torch.nn.Embedding(11, 4))\n"
        "def none(): return torch.nn.ReLU()\n",
        encoding="utf-8",
    )
    file = tmp_path / "nets.py"
    assert fresh(f"{file}:dense").samples[0].shape == (3, 7)
    assert fresh(f"{file}:pictures", input_size=(9,)).samples[0].shape == (3, 2, 9, 9)
    assert fresh(f"{file}:pictures", input_size=(9, 8), batch_size=2).samples[0].shape == (2, 2, 9, 8)
    words = fresh(f"{file}:words", input_size=(5,)).samples[0]
    assert (words.dtype, tuple(words.shape)) == (torch.int64, (3, 5))
    text = TextInput("words", tuple("abcdefghijk"), 6)
    assert fresh(f"{file}:words", inputs=(text,)).samples[0].shape == (3, 6)
    for name, message in (
        ("pictures", "such as 2,224,224"),
        ("words", "does not say what its inputs are"),
        ("none", "--input-size"),
    ):
        with pytest.raises(InputError, match=message):
            fresh(f"{file}:{name}")
    with pytest.raises(SpecError, match="Both --card and --input-size"):
        fresh(f"{file}:pictures", input_size=(9,), inputs=(ImageInput("input", "RGB", (9, 9)),))


def test_real_pictures_are_the_samples_where_they_are_given(digit_files: Path) -> None:
    subject = fresh("torchvision:mobilenet_v3_small", input_size=(32,), calibration=digit_files)
    assert len(subject.samples[0]) == 3
    assert not any("random inputs" in note for note in subject.notes)
    card = subject.card.inputs[0]
    assert isinstance(card, ImageInput)
    first = sorted(digit_files.rglob("*.png"))[0]
    np.testing.assert_allclose(subject.samples[0][0].numpy(), prepare_image(first, card), atol=1e-6)


def test_another_size_keeps_the_proportion_of_the_crop() -> None:
    card = ImageInput("input", "RGB", (224, 224), 256, crop=(224, 224))
    assert at_size(card, (224, 224)) is card
    assert (at_size(card, (112, 112)).resize, at_size(card, (112, 112)).crop) == (128, (112, 112))
    assert at_size(card, (64, 200)).resize == 200
    stretched = ImageInput("input", "RGB", (64, 64), (64, 64))
    assert at_size(stretched, (32, 48)).resize == (32, 48)


def test_the_file_is_named_after_the_architecture() -> None:
    assert default_target("torchvision:resnet18") == Path("resnet18.onnx")
    assert default_target("nets/my_models.py:Net") == Path("Net.onnx")
    assert default_target("weights/resnet18.a1_in1k.pth") == Path("weights/resnet18.a1_in1k.onnx")


@pytest.mark.slow
@needs_timm
def test_an_architecture_of_timm_is_exported_with_its_card(tmp_path: Path) -> None:
    report = export("timm:test_resnet", tmp_path / "a.onnx", random_weights=True, simplifier="none")
    assert report.card.inputs[0].kind == "image"
    assert "the weights of timm:test_resnet are random ones" in report.notes
    assert "verified on random inputs, because no real ones were given" in report.notes

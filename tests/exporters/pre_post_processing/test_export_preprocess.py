"""Files that prepare their pictures themselves: the stage, and what `runtime` does with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import runtime
from exporters import Report, export
from exporters.pre_post_processing import preprocess
from exporters.pre_post_processing.preparation import Preparation, build_preparation
from exporters.settings import ExportSettings
from exporters.stages import plan
from exporters.subject.assembly import make_subject
from runtime.card import ImageInput
from runtime.errors import CheckFailed, InputError, SpecError
from runtime.model import Model
from runtime.session import Session
from runtime.session.bench import bench, random_inputs
from toolkit.data.readers.digits import digit_pictures

COLOUR = ImageInput(
    "picture", "RGB", (20, 24), resize=26, crop=(20, 24), filter="bicubic", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3)
)


@pytest.fixture(scope="session")
def raw(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The digits' classifier, which takes pictures of any size."""
    return export(checkpoint, tmp_path_factory.mktemp("raw") / "model.onnx", simplifier="none", embed_preprocess=True)


@pytest.fixture(scope="session")
def both(raw: Report, exported: tuple[Report, list[str]]) -> tuple[Model, Model]:
    """(prepared outside, prepared in the graph)."""
    return runtime.load(exported[0].path, "cpu"), runtime.load(raw.path, "cpu")


def of_sizes(count: int) -> list[Image.Image]:
    """Digits that the network has not seen, of many sizes."""
    pictures, _ = digit_pictures()
    found = [Image.fromarray(picture) for picture in pictures[1000 : 1000 + count]]
    return [image.resize((5 + number % 17, 6 + number % 11)) for number, image in enumerate(found)]


def coloured(**settings: object) -> dict[str, object]:
    """A network for colour pictures, and what `export` is told of it."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(396, 3)
    )
    known = {"task": "classification", "labels": ("a", "b", "c"), "inputs": (COLOUR,), "simplifier": "none"}
    return {"source": network, "example": torch.randn(4, 3, 20, 24), "embed_preprocess": True, **known, **settings}


def test_the_file_takes_uint8_pictures_of_any_size_and_its_card_says_so(raw: Report) -> None:
    session = Session(raw.path, "cpu")
    (tensor,) = session.inputs
    assert (tensor.dtype, tensor.shape) == ("uint8", ("batch", "picture_height", "picture_width", 1))
    assert session.card is not None
    entry = session.card.inputs[0]
    assert isinstance(entry, ImageInput)
    assert entry.prepared_in_graph
    assert session.metadata["Image.NominalPixelRange"] == "NominalRange_0_255"
    facts = raw.facts["preprocess"]
    assert facts["worst_levels"] <= 1
    assert facts["pictures"] >= 20
    assert {shape[0] for shape in facts["shapes"]} == {1, 2, 5}
    assert len({tuple(shape[1:3]) for shape in facts["shapes"]}) >= 4
    assert raw.parity.worst_difference < 1e-4


def test_pictures_of_the_networks_own_size_give_the_same_to_the_last_bit(both: tuple[Model, Model]) -> None:
    pictures = list(digit_pictures()[0][1000:1050])
    outside, inside = (model.predict(pictures) for model in both)
    assert [found.label for found in outside] == [found.label for found in inside]
    for one, other in zip(outside, inside, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
    np.testing.assert_allclose(both[0].embed(pictures), both[1].embed(pictures), atol=1e-5)


def test_many_pictures_of_many_sizes_keep_their_order(both: tuple[Model, Model]) -> None:
    pictures = of_sizes(90)
    outside, inside = (model.predict(pictures) for model in both)
    for one, other in zip(outside, inside, strict=True):
        # one grey level of 255 in some pixels
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)


def test_files_arrays_and_what_cannot_be_read(both: tuple[Model, Model], tmp_path: Path) -> None:
    image = of_sizes(1)[0].resize((40, 30))
    image.save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    model = both[1]
    results = model.predict([tmp_path / "good.png", tmp_path / "bad.png", np.asarray(image)], on_error="keep")
    assert results[0].probabilities.tolist() == results[2].probabilities.tolist()
    assert "cannot be read as a picture" in str(results[1].error)
    batch = np.stack([np.asarray(image)] * 3)[:, None]
    assert [found.index for found in model.predict(batch)] == [results[0].index] * 3
    with pytest.raises(InputError, match="prepares its pictures by itself"):
        model.predict(np.zeros((2, 1, 8, 8), np.float32))


def test_measuring_takes_noise_of_a_photographs_size(raw: Report) -> None:
    session = Session(raw.path, "cpu")
    feeds = random_inputs(session, 2)["input"]
    assert feeds.shape == (2, 480, 640, 1)
    assert feeds.max() > 200
    smaller = random_inputs(session, 3, lengths={"picture_height": 10, "picture_width": 12})["input"]
    assert smaller.shape == (3, 10, 12, 1)
    assert bench(session, (1,), seconds=0.01, warm_up=0, lengths={"picture_height": 9})[0].runs >= 1


@pytest.mark.slow
def test_colour_with_a_crop_is_the_same_as_outside(tmp_path: Path) -> None:
    arguments = coloured()
    export(output=tmp_path / "raw.onnx", **arguments)
    export(output=tmp_path / "plain.onnx", **{**arguments, "embed_preprocess": False})
    plain, raw = (runtime.load(tmp_path / f"{name}.onnx", "cpu") for name in ("plain", "raw"))
    random = np.random.default_rng(0)
    for height, width in ((1, 1), (20, 24), (26, 26), (61, 33), (300, 200), (30, 90)):
        picture = random.integers(0, 256, (height, width, 3), np.uint8)
        np.testing.assert_allclose(plain.predict(picture).probabilities, raw.predict(picture).probabilities, atol=1e-5)


@pytest.mark.slow
def test_a_fixed_batch_stays_fixed(tmp_path: Path) -> None:
    report = export(output=tmp_path / "model.onnx", **coloured(dynamic=()))
    session = Session(report.path, "cpu")
    assert session.fixed_batch == 4
    pictures = [np.full((9 + n, 30, 3), 20 * n, np.uint8) for n in range(6)]
    assert len(runtime.load(report.path, "cpu").predict(pictures)) == 6


@pytest.mark.slow
def test_an_older_target_prepares_alike(tmp_path: Path) -> None:
    report = export(output=tmp_path / "model.onnx", **coloured(target="onnxruntime==1.13"))
    assert onnx.load(report.path).opset_import[0].version <= 17
    outside = export(output=tmp_path / "outside.onnx", **coloured(embed_preprocess=False)).path
    picture = np.random.default_rng(1).integers(0, 256, (70, 31, 3), np.uint8)
    one, other = (runtime.load(path, "cpu").predict(picture).probabilities for path in (report.path, outside))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_preparation_that_differs_is_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def darker(card: ImageInput, *arguments: object) -> Preparation:
        from dataclasses import replace

        return build_preparation(replace(card, mean=(0.02,)), *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(preprocess, "build_preparation", darker)
    with pytest.raises(CheckFailed, match=r"differs by 5\.1 grey levels .* Nothing was written"):
        export(checkpoint, tmp_path / "model.onnx", simplifier="none", embed_preprocess=True)
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_pictures_is_refused_before_any_work(dense: torch.nn.Module, rows: torch.Tensor) -> None:
    asked = ExportSettings(embed_preprocess=True)
    subject = make_subject(dense, example=rows, settings=asked)
    with pytest.raises(SpecError, match=r"takes input \(array\).*--embed-preprocess"):
        plan(asked, subject)


@pytest.mark.parametrize("asked", [{"target": "onnxruntime==1.5"}, {"opset_version": 12}])
def test_a_target_that_resamples_wrongly_is_refused_before_any_work(asked: dict[str, Any], checkpoint: Path) -> None:
    settings = ExportSettings(embed_preprocess=True, **asked)
    with pytest.raises(SpecError, match=r"Operator set 12 was asked for.*onnxruntime 1\.6"):
        plan(settings, make_subject(checkpoint, settings=settings))


def test_the_plan_names_the_stage(checkpoint: Path) -> None:
    asked = ExportSettings(embed_preprocess=True)
    stages = {stage.name: stage.what for stage in plan(asked, make_subject(checkpoint, settings=asked))}
    assert stages["preprocess"].startswith("the file takes uint8 pictures (N, H, W, 1) of any size")

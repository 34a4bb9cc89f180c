"""Class activation maps, and the outputs of layers, in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import runtime
from exporters import export
from exporters.settings import make_settings
from exporters.subject.assembly import make_subject
from exporters.subject.subject import Subject
from runtime.errors import SpecError


class Pooled(torch.nn.Module):
    """Convolutions, global average pooling, one linear layer."""

    def __init__(self, pooled: str = "function") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3))
        self.pool = torch.nn.AdaptiveAvgPool2d(1)
        self.drop = torch.nn.Dropout(0.3)
        self.head = torch.nn.Linear(8, 5)
        self.pooled = pooled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.features(x)
        if self.pooled == "function":
            return self.head(maps.mean((2, 3)))
        if self.pooled == "in place":
            return self.head(self.drop(torch.nn.functional.relu(maps, inplace=True).mean((2, 3))))
        return self.head(self.drop(self.pool(torch.relu(maps)).flatten(1))).softmax(1)


class Convolutional(torch.nn.Module):
    """A convolution gives one map a class, which are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = torch.nn.Conv2d(3, 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(x).mean((2, 3))


X = torch.randn(4, 3, 9, 10, generator=torch.Generator().manual_seed(1))


def subject_of(module: torch.nn.Module, example: torch.Tensor = X, **options: Any) -> Subject:
    return make_subject(module, example=example, settings=make_settings({"task": "classification", **options}))


@pytest.mark.parametrize("module", [Pooled(), Pooled("in place"), Pooled("module"), Convolutional()])
def test_class_activation_maps_are_grad_cams(module: torch.nn.Module, tmp_path: Path) -> None:
    module.eval()
    report = export(
        module,
        tmp_path / "a.onnx",
        example=X,
        task="classification",
        outputs=("probabilities", "cam"),
        simplifier="none",
    )
    assert [(entry.name, entry.role) for entry in report.card.outputs] == [
        ("probabilities", "probabilities"),
        ("cam", "feature_map"),
    ]
    found = runtime.load(report.path).run({"input": X.numpy()})["cam"]
    assert found.shape == (4, 5, *found.shape[2:])
    for target in (0, 3):
        np.testing.assert_allclose(found[:1, target], _grad_cam(module, target), atol=1e-6)


def _grad_cam(module: torch.nn.Module, target: int) -> np.ndarray:
    """Grad-CAM by autograd, (1, h, w)."""
    if isinstance(module, Convolutional):
        maps = module.classes(X[:1])
        score = maps.mean((2, 3))[0, target]
    else:
        assert isinstance(module, Pooled)
        maps = module.features(X[:1])
        maps = maps if module.pooled == "function" else torch.relu(maps)
        score = module.head(maps.mean((2, 3)))[0, target]
    (gradient,) = torch.autograd.grad(score, maps)
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach().numpy()


def test_class_activation_maps_that_there_are_not_are_refused_with_the_reason() -> None:
    flat = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 7 * 8, 5))
    with pytest.raises(SpecError, match=r"global average pooling and one linear layer behind it.*layer:NAME"):
        subject_of(flat, outputs=("cam",))
    with pytest.raises(SpecError, match="There is no output 'cam' for regression"):
        subject_of(flat, task="regression", outputs=("cam",))


def test_torchvisions_networks_have_class_activation_maps() -> None:
    from torchvision import models

    pictures = torch.randn(2, 3, 64, 64)
    for name in ("resnet18", "mobilenet_v2", "densenet121", "shufflenet_v2_x0_5", "mnasnet0_5", "squeezenet1_1"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = models.get_model(name, weights=None, num_classes=7)
        subject = subject_of(module, pictures, outputs=("cam", "logits"))
        cam, logits = subject.module(pictures)
        assert cam.shape[:2] == (2, 7), name
        assert cam.min() >= 0, name
        assert logits.shape == (2, 7)


def test_any_layers_output_is_an_output(tmp_path: Path) -> None:
    module = Pooled().eval()
    names = ("layer:features.0", "probabilities", "layer:head")
    report = export(module, tmp_path / "a.onnx", example=X, task="classification", outputs=names, simplifier="none")
    assert tuple(entry.name for entry in report.card.outputs) == names
    found = runtime.load(report.path).run({"input": X.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found["layer:features.0"], module.features[0](X).numpy(), atol=1e-5)
        np.testing.assert_allclose(found["layer:head"], module(X).numpy(), atol=1e-5)


class Sequence(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = torch.nn.LSTM(4, 6, batch_first=True)
        self.unused = torch.nn.Linear(2, 2)
        self.head = torch.nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.recurrent(x)[0][:, -1])


def test_of_a_layer_with_several_outputs_the_first_is_taken_also_where_it_has_an_export_form(tmp_path: Path) -> None:
    module, steps = Sequence().eval(), torch.randn(3, 7, 4)
    report = export(
        module,
        tmp_path / "a.onnx",
        example=steps,
        outputs=("layer:recurrent",),
        dynamic=("batch", "length"),
        simplifier="none",
    )
    longer = torch.randn(2, 11, 4)
    found = runtime.load(report.path).run({"input": longer.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found["layer:recurrent"], module.recurrent(longer)[0].numpy(), atol=1e-6)


def test_a_layer_that_there_is_not_or_that_does_not_run_is_refused() -> None:
    steps = torch.randn(3, 7, 4)
    with pytest.raises(SpecError, match=r"no layer 'recurent'. Did you mean 'recurrent'"):
        subject_of(Sequence(), steps, outputs=("layer:recurent",))
    with pytest.raises(SpecError, match="'unused' does not run on the example"):
        subject_of(Sequence(), steps, outputs=("layer:unused", "probabilities"))


def test_of_a_dictionary_the_entry_that_the_task_is_about_is_taken() -> None:
    class Segmenter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 5, 1)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": self.layer(x), "aux": x}

    subject = subject_of(Segmenter(), task="dense")
    (found,) = subject.module(X)
    torch.testing.assert_close(found.sum(1), torch.ones(4, 9, 10))

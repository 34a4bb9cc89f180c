"""Maps of evidence: right on networks that can be worked out by hand, harmless on any other."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from runtime.errors import InputError, SpecError
from toolkit.builder.network import Network
from toolkit.explain.cam import CAM_METHODS, ClassActivation, class_activation_map
from toolkit.explain.cam_figures import overlay, picture_values


@pytest.fixture
def corner() -> torch.Tensor:
    """(1, 1, 4, 4): 4 in one corner, 2 beside it, else 0."""
    picture = torch.zeros(1, 1, 4, 4)
    picture[0, 0, 0, :2] = torch.tensor([4.0, 2.0])
    return picture


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "Grad-CAM"])
def test_evidence_lies_where_the_picture_is_bright(
    pooled: torch.nn.Sequential, corner: torch.Tensor, method: str
) -> None:
    found = class_activation_map(pooled, corner, layer="0", method=method)
    assert found.target == 0  # mean of the picture times 2, against 0 and less
    np.testing.assert_allclose(found.map, corner[0, 0] / 4, atol=1e-6)
    scores = torch.tensor([2 * 6 / 16, -6 / 16, 6 / 16])
    assert found.probability == pytest.approx(float(scores.softmax(0)[0]))
    assert found.layer == "0"


def test_eigencam_and_scorecam_by_hand(pooled: torch.nn.Sequential, corner: torch.Tensor) -> None:
    # both channels are the picture up to sign, so it is their first principal component
    found = class_activation_map(pooled, corner, method="eigencam")
    assert found.map.max() == 1
    np.testing.assert_allclose(found.map, corner[0, 0] / 4, atol=1e-6)
    # masks: x/4 and 1 - x/4; scores of class 0: twice the mean of x times the mask, (16 + 4) / 4 / 8 and (4 * 0 + 2 / 2) / 8
    weights = torch.tensor([5 / 8, 1 / 8]).softmax(0)
    score = class_activation_map(pooled, corner, method="scorecam", target=0)
    np.testing.assert_allclose(
        score.map, (weights[0] - weights[1]) * corner[0, 0] / ((weights[0] - weights[1]) * 4), atol=1e-6
    )


def test_a_class_without_evidence_has_an_empty_map(pooled: torch.nn.Sequential, corner: torch.Tensor) -> None:
    found = class_activation_map(pooled, corner, target=1)  # its weight is on the negative of the picture
    assert found.target == 1
    assert not found.map.any()


def test_cam_equals_gradcam_with_global_pooling_and_a_linear_layer() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 5),
    )
    picture = torch.rand(1, 3, 12, 16)
    for target in range(5):
        maps = [class_activation_map(network, picture, target=target, method=name).map for name in ("cam", "gradcam")]
        assert maps[0].shape == (12, 16)
        np.testing.assert_allclose(*maps, atol=1e-5)


@pytest.mark.parametrize("ending", [torch.nn.Softmax(1), torch.nn.LogSoftmax(1), torch.nn.Sigmoid()])
def test_a_final_softmax_or_sigmoid_is_left_out(
    pooled: torch.nn.Sequential, corner: torch.Tensor, ending: torch.nn.Module
) -> None:
    with torch.no_grad():
        pooled[3].weight.mul_(1000)  # so sure that the gradient behind the softmax is 0
    plain = class_activation_map(pooled, corner, target=0)
    ended = class_activation_map(torch.nn.Sequential(*pooled, ending), corner, target=0)
    assert plain.map.max() == 1
    np.testing.assert_allclose(ended.map, plain.map)
    assert ended.probability == pytest.approx(1)


@pytest.mark.parametrize("method", [name for name in CAM_METHODS if name != "cam"])
def test_every_method_works_on_lenet_and_leaves_it_as_it_was(lenet: Network, digit: torch.Tensor, method: str) -> None:
    lenet.train()
    lenet[0].conv1.eval()
    lenet[0].conv2.requires_grad_(False)
    before = {name: value.clone() for name, value in lenet.state_dict().items()}
    state = torch.get_rng_state()
    with torch.no_grad():
        found = class_activation_map(lenet, digit, method=method)
        output = lenet(digit)
    assert found.map.shape == (28, 28)
    assert found.map.dtype == np.float32
    assert 0 <= found.map.min() <= found.map.max() <= 1
    assert found.layer == "lenet1.pool2"
    assert found.target == int(output.argmax())
    assert found.probability == pytest.approx(float(output.max()), rel=1e-5)
    assert [lenet.training, lenet[0].conv1.training] == [True, False]
    assert all(parameter.grad is None for parameter in lenet.parameters())
    assert all(torch.equal(value, before[name]) for name, value in lenet.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in lenet.modules())


def test_operations_in_place_do_not_disturb(corner: torch.Tensor) -> None:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2)]
    maps = [
        class_activation_map(
            torch.nn.Sequential(*layers[:2], torch.nn.ReLU(inplace), *layers[2:]), corner, layer="1"
        ).map
        for inplace in (False, True)
    ]
    np.testing.assert_array_equal(*maps)


def test_residual_blocks_that_share_an_activation() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    found = class_activation_map(resnet18(num_classes=4), torch.rand(1, 3, 64, 64))
    assert found.layer == "layer4.1.relu"
    cam = class_activation_map(resnet18(num_classes=4), torch.rand(1, 3, 64, 64), method="cam")
    assert cam.map.max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"method": "gradcamm"}, SpecError, "no method 'gradcamm'. Did you mean 'gradcam'"),
        ({"target": 10}, SpecError, "from 0 to 9"),
        ({"target": True}, SpecError, "from 0 to 9"),
        ({"layer": "lenet1.conv3"}, SpecError, "Did you mean"),
        ({"layer": "lenet1.linear1"}, SpecError, r"gives lenet1.linear1 \(1, 120\)"),
        ({"layer": "*conv*"}, SpecError, "one layer that gives maps"),
        ({"method": "cam"}, SpecError, "Use method='gradcam'"),
    ],
)
def test_what_does_not_fit_says_why(
    lenet: Network, digit: torch.Tensor, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        class_activation_map(lenet, digit, **changes)


def test_inputs_that_are_no_picture(lenet: Network, digit: torch.Tensor, pooled: torch.nn.Sequential) -> None:
    with pytest.raises(InputError, match="one picture"):
        class_activation_map(lenet, torch.cat([digit, digit]))
    with pytest.raises(InputError, match="cannot take an input"):
        class_activation_map(lenet, torch.zeros(1, 3, 28, 28))
    with pytest.raises(SpecError, match="no height and width"):
        class_activation_map(torch.nn.Linear(4, 2), torch.zeros(1, 4))
    with pytest.raises(SpecError, match="flattened"):
        class_activation_map(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)), torch.zeros(1, 1, 4, 4))
    with pytest.raises(SpecError, match="class scores"):
        class_activation_map(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1)), torch.zeros(1, 1, 4, 4))
    with pytest.raises(SpecError, match="No layer of the network gives maps"):
        class_activation_map(torch.nn.Conv2d(1, 2, 1), torch.zeros(1, 1, 4, 4))


def test_a_layer_that_has_no_say_is_refused(pooled: torch.nn.Sequential) -> None:
    class Aside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.aside, self.main = torch.nn.Conv2d(1, 1, 1), pooled

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.aside(x)
            return self.main(x)

    with pytest.raises(SpecError, match="does not depend"):
        class_activation_map(Aside(), torch.ones(1, 1, 4, 4), layer="aside")


def opened(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        assert picture.info["Title"].startswith("Where the evidence for")
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    "shape", [(28, 28), (28, 28, 3), (1, 28, 28), (3, 28, 28), (1, 3, 28, 28), (1, 1, 28, 28), (28, 28, 1)]
)
def test_the_overlay_takes_pictures_of_any_layout(shape: tuple[int, ...]) -> None:
    found = ClassActivation(np.eye(28, dtype=np.float32), 1, 0.99999, "conv", "gradcam")
    pixels = opened(overlay(np.random.default_rng(0).random(shape), found, labels=["a", "$\\frac$ 猫" * 9]))
    assert min(pixels.shape[:2]) > 250
    assert len(np.unique(pixels @ [1, 256, 65536])) > 100


def test_the_overlay_brightens_where_the_evidence_is() -> None:
    heat = np.zeros((20, 40), np.float32)
    heat[:, 30:] = 1
    pixels = opened(overlay(np.full((20, 40), 0.5), ClassActivation(heat, 0, None, "conv", "gradcam")))
    row = pixels[pixels.shape[0] // 2]
    strong = (row[:, 0] - row[:, 2]) > 60  # warm
    assert strong.any()
    assert not strong[: len(strong) // 2].any()


def test_pictures_are_shown_as_they_were_before_their_preparation() -> None:
    class Card:
        scale, mean, std = 1 / 255, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    bytes_ = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    prepared = ((bytes_ / 255 - 0.5) / 0.25).transpose(2, 0, 1)[None].astype(np.float32)
    np.testing.assert_allclose(picture_values(torch.from_numpy(prepared), Card()), bytes_ / 255, atol=1e-6)
    np.testing.assert_allclose(picture_values(bytes_), bytes_ / 255)
    assert picture_values(np.array([[-2.0, 0.0], [np.nan, 2.0]])).tolist() == [[0, 0.5], [0, 1]]


def test_pictures_that_do_not_fit_are_refused() -> None:
    found = ClassActivation(np.zeros((8, 8), np.float32), 0, None, "conv", "gradcam")
    with pytest.raises(InputError, match=r"\(9, 8\)"):
        overlay(np.zeros((9, 8)), found)
    with pytest.raises(InputError, match="one or three channels"):
        overlay(np.zeros((2, 8, 8)), found)

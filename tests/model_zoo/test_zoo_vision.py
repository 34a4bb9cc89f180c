"""torchvision's networks by their names: all of them, for any number of channels and classes, without its weights."""

from __future__ import annotations

import warnings

import pytest
import torch

from model_zoo.networks.vision import VISION_NETWORKS, check_weights, mobilenet_backbone, vision_network

SMALL = ("alexnet", "resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5")

FAMILIES = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5",
    "mobilenet_v2", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11_bn", "vit_b_16",
)  # fmt: skip


def test_the_names_are_all_of_torchvisions() -> None:
    import torchvision

    assert sorted(VISION_NETWORKS) == sorted(torchvision.models.list_models(module=torchvision.models))
    assert len(set(VISION_NETWORKS)) == len(VISION_NETWORKS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name if index % 10 == 0 else pytest.param(name, marks=pytest.mark.exhaustive)
        for index, name in enumerate(VISION_NETWORKS)
    ],
)
def test_shapes_come_from_the_meta_device_and_draw_no_random_number(name: str) -> None:
    before = torch.random.get_rng_state()
    with torch.device("meta"), torch.no_grad():
        network = vision_network(name, (1, 224, 224), 7).eval()
        assert network(torch.empty(2, 1, 224, 224)).shape == (2, 7)
    assert all(weight.is_meta for weight in network.parameters())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_number_of_channels_and_classes(name: str, channels: int) -> None:
    network = vision_network(name, (channels, 64, 96), 4)
    assert network.eval()(torch.rand(2, channels, 64, 96)).shape == (2, 4)
    first = next(part for part in network.modules() if isinstance(part, torch.nn.Conv2d))
    assert first.in_channels == channels


@pytest.mark.parametrize("name", FAMILIES)
def test_the_new_first_convolution_is_the_old_one_for_other_channels(name: str) -> None:
    with torch.device("meta"):
        three, one = (vision_network(name, (channels, 224, 224), 4) for channels in (3, 1))
    path, old = next((path, part) for path, part in three.named_modules() if isinstance(part, torch.nn.Conv2d))
    new = one.get_submodule(path)
    for what in ("out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
        assert getattr(new, what) == getattr(old, what), what
    shapes = [{key: tensor.shape for key, tensor in network.state_dict().items()} for network in (three, one)]
    assert list(shapes[0]) == list(shapes[1])
    assert [key for key in shapes[0] if shapes[0][key] != shapes[1][key]] == [f"{path}.weight"]


def test_fresh_weights_are_those_that_torchvision_draws() -> None:
    import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(weights=None, num_classes=10)
    torch.manual_seed(0)
    ours = vision_network("resnet18", (3, 32, 32), 10)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_helping_outputs_return_one_and_are_silent(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with torch.device("meta"):
            network = vision_network(name, (1, 299, 299), 7).train()
            assert network(torch.empty(2, 1, 299, 299)).shape == (2, 7)


def test_what_torchvision_cannot_make_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no network 'resnet19' in torchvision"):
        vision_network("resnet19", (3, 224, 224), 2)
    for shape in ((3, 100, 100), (3, 64, 32)):
        with pytest.raises(ValueError, match=rf"multiple of 16; {shape[1]} x {shape[2]} was given"):
            vision_network("vit_b_16", shape, 2)
    with torch.device("meta"):
        assert vision_network("vit_b_16", (1, 64, 64), 3)(torch.empty(2, 1, 64, 64)).shape == (2, 3)


def test_names_of_weights_are_looked_up_and_nothing_is_downloaded() -> None:
    assert check_weights("resnet50", "DEFAULT") == "IMAGENET1K_V2"
    assert check_weights("resnet50", "IMAGENET1K_V1") == "IMAGENET1K_V1"
    with pytest.raises(ValueError, match="resnet18 has no weights 'V9'; there are DEFAULT, IMAGENET1K_V1"):
        check_weights("resnet18", "V9")


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 75), (4, 224, 33)])
def test_mobilenets_backbone_gives_1280_features_of_any_picture(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    backbone = mobilenet_backbone(shape[0]).eval()
    features = backbone(torch.rand(2, *shape))
    assert features.shape == (2, 1280)
    whole = vision_network("mobilenet_v2", shape, 4).eval()
    missing, unexpected = whole.load_state_dict(backbone.state_dict(), strict=False)
    assert not unexpected
    assert missing == ["classifier.1.weight", "classifier.1.bias"]
    x = torch.rand(2, *shape)
    torch.testing.assert_close(whole.classifier(backbone(x)), whole(x))

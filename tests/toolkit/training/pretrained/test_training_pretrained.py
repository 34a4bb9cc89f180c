"""Ready weights by name: cached, checked, loaded but for the head; their pre-processing and class names.

The server is a folder on the loopback: real files under the names that torchvision's have, with fresh weights.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from runtime.errors import InputError, SpecError
from runtime.preprocess import prepare_image
from toolkit.builder.spec import NetworkSpec, build
from toolkit.training.pretrained.head import change_head
from toolkit.training.pretrained.torchvision_weights import (
    pretrained_input,
    pretrained_labels,
    pretrained_state_dict,
    start_from_pretrained,
)

Serve = Callable[[str, object], str]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A function: content -> the address of a file that holds it, with its digits in its name."""
    folder = tmp_path_factory.mktemp("server")
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def put(name: str, content: object) -> str:
        path = folder / "new.pth"
        torch.save(content, path)
        digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        return f"http://127.0.0.1:{server.server_port}/{path.rename(folder / f'{name}-{digits}.pth').name}"

    yield put
    server.shutdown()
    thread.join()
    server.server_close()


def vision(name: str, seed: int = 0, **options: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torchvision.models.get_model(name, weights=None, **options)


def test_a_file_is_fetched_once_and_kept(serve: Serve, tmp_path: Path) -> None:
    address = serve("squeezenet1_1", vision("squeezenet1_1").state_dict())
    first = pretrained_state_dict("squeezenet1_1", cache=tmp_path, url=address)
    assert [path.name for path in tmp_path.iterdir()] == [address.rpartition("/")[2]]
    again = pretrained_state_dict("squeezenet1_1", cache=tmp_path, url=address.replace("127.0.0.1", "127.0.0.2"))
    assert list(first) == list(again)
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_a_damaged_file_in_the_cache_is_told(serve: Serve, tmp_path: Path) -> None:
    address = serve("squeezenet1_1", {"a": torch.zeros(3)})
    pretrained_state_dict("squeezenet1_1", cache=tmp_path, url=address)
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"is not the file that its name says: .*Delete it"):
        pretrained_state_dict("squeezenet1_1", cache=tmp_path, url=address)


def test_the_cache_is_that_of_torch_hub(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    address = serve("squeezenet1_1", {"a": torch.zeros(3)})
    pretrained_state_dict("squeezenet1_1", url=address)
    assert [path.parent.name for path in tmp_path.rglob("*.pth")] == ["checkpoints"]


@pytest.mark.parametrize(
    ("name", "weights", "what"),
    [
        ("resnet19", "DEFAULT", r"no ready weights for 'resnet19'. Did you mean 'resnet1"),
        ("resnet18", "IMAGENET1K_V2", r"resnet18 has no weights 'IMAGENET1K_V2'. Did you mean 'IMAGENET1K_V1'"),
        ("resnet18", "imagenet", "resnet18 has no weights 'imagenet'"),
    ],
)
def test_unknown_names(name: str, weights: str, what: str) -> None:
    for function in (pretrained_state_dict, pretrained_input, pretrained_labels):
        with pytest.raises(SpecError, match=what):
            function(name, weights)  # type: ignore[operator]


def test_a_network_of_torchvision_itself_gets_all(serve: Serve, tmp_path: Path) -> None:
    source, target = vision("squeezenet1_1", 1), vision("squeezenet1_1", 2)
    report = start_from_pretrained(
        target, "squeezenet1_1", cache=tmp_path, url=serve("squeezenet1_1", source.state_dict())
    )
    assert report.share == 1.0
    assert report.source == "squeezenet1_1 DEFAULT"
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(target.eval()(picture), source.eval()(picture))


def layered(name: str, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
    """A network of ours: the named layer, then a softmax."""
    layers = [{"layer": name, "arguments": {"num_classes": classes}, "activation": "softmax"}]
    return build(NetworkSpec.from_dict({"input_shape": list(shape), "layers": layers}))


@pytest.mark.parametrize(("name", "head"), [("resnet18", "fc"), ("mobilenet_v3_small", "classifier.3")])
def test_all_but_a_head_of_another_width(name: str, head: str, serve: Serve, tmp_path: Path) -> None:
    source = vision(name, 1)
    network = layered(name, (3, 64, 64), 7)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    report = start_from_pretrained(network, name, cache=tmp_path, url=serve(name, source.state_dict()))
    prefix = next(iter(before)).partition(".")[0]
    assert list(report.mismatched) == [f"{prefix}.{head}.weight", f"{prefix}.{head}.bias"]
    assert (report.missing, report.unexpected) == ((), ())
    assert 0.5 < report.share < 1
    after = network.state_dict()
    for key, value in source.state_dict().items():
        expected = before[f"{prefix}.{key}"] if key.startswith(head) else value
        assert torch.equal(after[f"{prefix}.{key}"], expected)


def test_a_head_that_was_changed_and_a_backbone_without_one(serve: Serve, tmp_path: Path) -> None:
    address = serve("squeezenet1_1", vision("squeezenet1_1").state_dict())
    network = vision("squeezenet1_1", 3)
    change_head(network, 4)
    report = start_from_pretrained(network, "squeezenet1_1", cache=tmp_path, url=address)
    assert list(report.mismatched) == ["classifier.1.weight", "classifier.1.bias"]
    backbone = torch.nn.Sequential()
    backbone.add_module("features", vision("squeezenet1_1", 3).features)  # type: ignore[arg-type]
    report = start_from_pretrained(backbone, "squeezenet1_1", cache=tmp_path, url=address)
    assert report.share == 1.0
    assert report.unexpected == ("classifier.1.weight", "classifier.1.bias")


def test_other_networks_and_other_pictures_are_refused(serve: Serve, tmp_path: Path) -> None:
    address = serve("squeezenet1_1", vision("squeezenet1_1").state_dict())
    before = vision("resnet18", 5).state_dict()
    for network, what in (
        (vision("resnet18", 5), r"ResNet has no part with the weights of squeezenet1_1.*add\('squeezenet1_1'"),
        (
            layered("squeezenet1_1", (1, 64, 64), 3),
            r"features.0.weight is \(64, 3, 3, 3\) there and \(64, 1, 3, 3\).*\(RGB\)",
        ),
    ):
        state = {key: value.clone() for key, value in network.state_dict().items()}
        with pytest.raises(SpecError, match=what):
            start_from_pretrained(network, "squeezenet1_1", cache=tmp_path, url=address)
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert before


def test_a_network_with_weights_that_the_file_lacks_is_refused(serve: Serve, tmp_path: Path) -> None:
    state = {key: value for key, value in vision("squeezenet1_1").state_dict().items() if "features.3" not in key}
    with pytest.raises(SpecError, match=r"lack 6 of the network's, such as 'features.3"):
        start_from_pretrained(
            vision("squeezenet1_1"), "squeezenet1_1", cache=tmp_path, url=serve("squeezenet1_1", state)
        )


def test_the_old_names_in_densenets_file(serve: Serve, tmp_path: Path) -> None:
    import re

    with torch.device("meta"):
        network = torchvision.models.densenet121()
    names = [
        re.sub(r"(norm|conv)([12])\.", r"\1.\2.", key) if "denselayer" in key else key for key in network.state_dict()
    ]
    assert names != list(network.state_dict())
    address = serve("densenet121", {name: torch.zeros(1) for name in names})
    assert list(pretrained_state_dict("densenet121", cache=tmp_path, url=address)) == list(network.state_dict())


@pytest.mark.parametrize(
    ("name", "weights"),
    [("resnet18", "IMAGENET1K_V1"), ("resnet50", "IMAGENET1K_V2"), ("vit_b_16", "IMAGENET1K_SWAG_LINEAR_V1")],
)
@pytest.mark.parametrize("size", [(300, 400), (400, 300), (100, 90)])
def test_pictures_are_prepared_as_torchvision_does(name: str, weights: str, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[0] // 10, size[1] // 10, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    card = pretrained_input(name, weights)
    preset = torchvision.models.get_model_weights(name)[weights].transforms()
    expected = preset(picture).numpy()
    found = prepare_image(picture, card)
    assert found.shape == expected.shape == card.shape
    # one grey level of 255, where the two round differently
    assert np.abs(found - expected).max() <= 1.01 / 255 / min(card.std)
    assert np.abs(found - expected).mean() < 1e-3


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_normalisation_inside_a_network_is_part_of_its_card(name: str) -> None:
    card = pretrained_input(name)
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    pixels = torch.rand(1, 3, 2, 2)
    with torch.device("meta"):
        options = {"transform_input": True, "init_weights": False, "aux_logits": False}
        network = torchvision.models.get_model(name, weights=None, **options)
    inside = network._transform_input(torchvision.transforms.functional.normalize(pixels, preset.mean, preset.std))
    torch.testing.assert_close(inside, torchvision.transforms.functional.normalize(pixels, card.mean, card.std))


def test_every_network_of_the_builder_with_ready_weights_has_its_card() -> None:
    from toolkit.builder.layers.vision import TORCHVISION_NAMES

    for name in TORCHVISION_NAMES.values():
        for weights in torchvision.models.get_model_weights(name):
            assert pretrained_input(name, weights.name).channels == 3
            if weights.meta["categories"]:
                assert len(pretrained_labels(name, weights.name)) == 1000


def test_weights_for_features_only(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="features only"):
        pretrained_labels("vgg16", "IMAGENET1K_FEATURES")
    address = serve(
        "vgg16_features", {"features.0.weight": torch.ones(1), "classifier.0.weight": torch.tensor([torch.nan])}
    )
    found = pretrained_state_dict("vgg16", "IMAGENET1K_FEATURES", cache=tmp_path, url=address)
    assert list(found) == ["features.0.weight"]


def test_networks_that_do_not_classify_have_no_card() -> None:
    with pytest.raises(SpecError, match="no ready weights for 'fcn_resnet50'"):
        pretrained_input("fcn_resnet50")


def test_a_layer_that_names_weights_begins_with_them(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the classes are others, and only when the network is built for use."""
    from toolkit import nn

    published = torchvision.models.squeezenet1_1(weights=None).state_dict()
    entry = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    monkeypatch.setattr(entry.value, "url", serve("squeezenet1_1", published))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = nn(input_shape=(3, 64, 64))
    model.add("squeezenet1_1", num_classes=5, weights="DEFAULT")
    loaded = {name.partition(".")[2]: value for name, value in model.model.state_dict().items()}
    assert all(torch.equal(loaded[name], value) for name, value in published.items() if "classifier" not in name)
    assert len(loaded["classifier.1.bias"]) == 5

"""Weights of any layout: versions of modules, the network's own loading, prefixes of any wrapper, and what must be refused."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file, save_model

from exporters.settings import make_settings
from exporters.sources.opening import open_source
from exporters.sources.weights import fit_weights
from runtime.errors import CheckpointError


class Net(torch.nn.Module):
    def __init__(self, depth: int = 2) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(depth)))
        self.norm = torch.nn.BatchNorm1d(4)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.body(x)))


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(tokens))


class Renamed(torch.nn.Module):
    """Loads weights of its own older names, by a hook."""

    def __init__(self) -> None:
        super().__init__()
        self.new = torch.nn.Linear(4, 2)
        self.register_load_state_dict_pre_hook(self._rename)

    @staticmethod
    def _rename(_module: Any, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
        for name in [name for name in state if name.startswith(f"{prefix}old.")]:
            state[name.replace("old.", "new.")] = state.pop(name)


class Extra(torch.nn.Module):
    """Keeps a number that is no tensor."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.linear, self.factor = torch.nn.Linear(2, 2), factor

    def get_extra_state(self) -> float:
        return self.factor

    def set_extra_state(self, state: float) -> None:
        self.factor = state


class Normed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(4, 6, 3))


def state(seed: int = 1, depth: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return Net(depth).state_dict()


def under(prefix: str, weights: dict[str, Any]) -> dict[str, Any]:
    return OrderedDict((prefix + name, value) for name, value in weights.items())


def fit(content: Any, module: torch.nn.Module | None = None) -> tuple[torch.nn.Module, str]:
    module = module or Net()
    return module, "; ".join(fit_weights(module, content, "weights.pth", "net.py:Net"))


def is_first(module: torch.nn.Module) -> bool:
    return all(torch.equal(value, state()[name]) for name, value in module.state_dict().items())


LAYOUTS: dict[str, tuple[Any, str]] = {
    "deep": ({"a": {"b": {"c": [{"weights of the net": state()}]}}, "d": {"e": 1}}, ""),
    "any prefix": (under("learner.policy.", state()), "'learner.policy.' was taken off"),
    "beside others": (
        {**under("net.", state()), "criterion.weight": torch.ones(2), "epoch": 3},
        "the file holds 'epoch', 'criterion.weight', which",
    ),
    "single numbers beside": ({**state(), "step": torch.tensor(3), "best": 0.5}, "holds 'best', 'step', which"),
    "counted operations": ({**state(), "body.total_ops": torch.zeros(1)}, "'body.total_ops'"),
    "averaging wrapper": ({"n_averaged": torch.tensor(4), **under("module.", state())}, "'n_averaged'"),
    "average by prefix": ({**under("net.", state(2)), **under("ema.", state())}, "averaged weights under 'ema'"),
    "average in a nest": ({"model": state(2), "model_ema": {"module": state(), "decay": 0.9}}, "averaged weights"),
    "average without buffers": ({"model": state(), "ema": {"head.weight": torch.ones(2, 4)}}, ""),
    "a compiled part": (
        {name.replace("body.", "body._orig_mod."): value for name, value in state().items()}, "torch's wrappers were taken out"
    ),
    "parallel part in a wrapper": (
        {f"net.{name}".replace("body.", "body.module."): value for name, value in state().items()}, "'net.' was taken off"
    ),
    "part by part": (
        {part: {name.removeprefix(f"{part}."): value for name, value in state().items() if name.startswith(part)}
         for part in ("body", "norm", "head")}, ""
    ),
    "beside an optimizer": (
        {"optimizer": {"state": {"head.weight": {"exp_avg": torch.zeros(2, 4)}}}, "what": {"ever": state()}}, "'what.ever'"
    ),
    "twice the same": ({"last": state(), "best": state()}, ""),
    "the usual place": ({"last": state(2), "state_dict": state()}, "under 'state_dict' were taken"),
    "arrays": ({name: value.numpy() for name, value in state().items()}, ""),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_are_found_in_any_layout(layout: str) -> None:
    content, note = LAYOUTS[layout]
    module, notes = fit(content)
    assert is_first(module)
    assert note in notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"student": state(1), "teacher": state(2)}, "several networks that fit, under 'student' and 'teacher'"),
        ({**under("a.", state(1)), **under("b.", state(2))}, "several networks that fit, under 'a' and 'b'"),
        (state(depth=3), "not in the network: body.2.weight"),
        (under("module.", state(depth=3)), "not in the network: body.2.weight"),
        ({**state(), "scale": torch.ones(4)}, "not in the network: scale"),
        ({name: value for name, value in state().items() if name != "norm.running_mean"}, "missing from the file: norm.running"),
        ({"epoch": 3}, "holds 'epoch', and no weights among it"),
    ],
)  # fmt: skip
def test_what_could_be_wrong_is_refused(content: Any, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        fit(content)


def test_the_networks_own_loading_decides_about_names(tmp_path: Path) -> None:
    old = Renamed()
    for prefix in ("", "module."):
        weights = {f"{prefix}old.weight": old.new.weight.detach(), f"{prefix}old.bias": old.new.bias.detach()}
        assert torch.equal(fit(weights, Renamed())[0].new.weight, old.new.weight)
    normed = Normed().convolution
    parts = normed.parametrizations.weight
    weights = {"weight_g": parts.original0, "weight_v": parts.original1, "bias": normed.bias}
    found = fit(under("net.convolution.", {name: value.detach() for name, value in weights.items()}), Normed())[0]
    assert torch.equal(found.convolution.weight, normed.weight)
    assert fit(Extra(2.5).state_dict(), Extra())[0].factor == 2.5
    save_model(Tied(), str(tmp_path / "tied.safetensors"))
    (tmp_path / "tied.py").write_text(
        "import torch\nclass Tied(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.embedding, self.head = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9, bias=False)\n"
        "        self.head.weight = self.embedding.weight\n"
        "    def forward(self, tokens):\n        return self.head(self.embedding(tokens))\n",
        encoding="utf-8",
    )
    open_source(
        tmp_path / "tied.safetensors", None, make_settings({"arch": f"{tmp_path / 'tied.py'}:Tied", "input_size": (5,)})
    )


def test_a_shared_tensor_with_two_contents_is_refused() -> None:
    weights = {"embedding.weight": torch.zeros(9, 4), "head.weight": torch.ones(9, 4)}
    with pytest.raises(CheckpointError, match=r"one tensor for embedding.weight and head.weight, .*trained apart"):
        fit(weights, Tied())


@pytest.mark.parametrize("prefix", ["", "module.", "learner.net."])
def test_the_versions_of_modules_survive(prefix: str, tmp_path: Path) -> None:
    """torchvision's MNASNet refuses weights without, and has another layout for an older version."""
    import torchvision

    torch.manual_seed(1)
    source: torch.nn.Module = torchvision.models.mnasnet0_5(num_classes=3)
    weights = source.state_dict()
    for part in reversed(prefix.split(".")[:-1]):
        source = torch.nn.ModuleDict({part: source})
    torch.save({"epoch": 1, "model": source.state_dict()}, tmp_path / "mnasnet.pth")
    save_file(dict(source.state_dict()), tmp_path / "mnasnet.safetensors")
    for name in ("mnasnet.pth", "mnasnet.safetensors"):
        options = {"arch": "torchvision:mnasnet0_5", "arch_args": {"num_classes": 3}, "input_size": (64,)}
        opened = open_source(tmp_path / name, None, make_settings(options))
        assert all(torch.equal(value, weights[key]) for key, value in opened.module.state_dict().items())
        assert ("no versions of modules" in "; ".join(opened.notes)) == name.endswith("safetensors")


def test_the_picture_size_is_what_the_network_takes(tmp_path: Path) -> None:
    """The published weights of vit_h_14 that come first say 518, and the network is built for 224."""
    from exporters.sources.torchvision_models import build

    for arguments, size in ({}, 224), ({"image_size": 98}, 98), ({"image_size": 518}, 518):
        with torch.device("meta"):
            module, published = build("vit_h_14", arguments)
        assert module.image_size == size
        assert published.shape == (3, size, size)
        assert published.input is not None
        assert published.input.size == (size, size)

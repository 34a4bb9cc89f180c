"""Weights from elsewhere: formats, prefixes and nesting, what the report says, and that an error loads nothing."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from runtime.card import ArrayInput, ModelCard, OutputCard
from runtime.errors import CheckpointError, InputError, MissingPackageError, ToolkitError
from toolkit.builder.spec import NetworkSpec, build
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.pretrained.load_weights import WeightsReport, load_weights

SPEC = NetworkSpec.from_dict(
    {
        "input_shape": [4],
        "layers": [
            {"layer": "linear", "arguments": {"size": 6}, "activation": "relu"},
            {"layer": "batchnorm1d"},
            {"layer": "linear", "arguments": {"size": 3}},
        ],
    }
)


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build(SPEC)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    mine, other = first.state_dict(), second.state_dict()
    return list(mine) == list(other) and all(torch.equal(mine[key], other[key]) for key in mine)


def files(folder: Path, source: torch.nn.Module) -> dict[str, Path]:
    """One state_dict in every form that is read."""
    state = source.state_dict()
    kinds: dict[str, Any] = {
        "plain": state,
        "nested": {"epoch": 3, "state_dict": state},
        "nested twice": {"model": {"state_dict": state, "arch": "x"}, "args": {"lr": 0.1}},
        "parallel": {f"module.{key}": value for key, value in state.items()},
        "compiled and parallel": {"model": {f"module._orig_mod.{key}": value for key, value in state.items()}},
        "lightning": {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 1},
    }
    paths = {}
    for number, (name, content) in enumerate(kinds.items()):
        paths[name] = folder / f"{number}.pth"
        torch.save(content, paths[name])
    paths["legacy"] = folder / "legacy.pth"
    torch.save(state, paths["legacy"], _use_new_zipfile_serialization=False)
    paths["safetensors"] = folder / "weights.safetensors"
    save_file(dict(state), paths["safetensors"])
    paths["ours"] = folder / "ours.pth"
    card = ModelCard("regression", (ArrayInput("input", (4,)),), (OutputCard("values", "values"),))
    Checkpoint(SPEC, state, card, torch.rand(2, 4)).save(paths["ours"])
    return paths


def test_every_form_is_read_whole(tmp_path: Path) -> None:
    source = network(1)
    for name, path in files(tmp_path, source).items():
        target = network(0)
        report = load_weights(target, path, strict=True)
        assert same(target, source), name
        assert report.share == 1.0
        assert str(report) == (f"9 of 9 weights were loaded from {path}: 63 of 63 parameters (100.0%).")


def test_a_share_is_not_rounded_to_all() -> None:
    report = WeightsReport("a.pth", ("a",), ("b",), (), {}, 9999, 10_000)
    assert "(99.9%)" in str(report)


def test_what_does_not_fit_stays_and_is_reported() -> None:
    source = OrderedDict(network(1).state_dict())
    del source["batchnorm1d2.weight"]
    source["linear3.weight"], source["linear3.bias"] = torch.zeros(5, 6), torch.zeros(5)
    source["extra.weight"] = torch.zeros(2)
    target, before = network(0), network(0).state_dict()
    report = load_weights(target, source, name="other.pth")
    after = target.state_dict()
    assert report.missing == ("batchnorm1d2.weight",)
    assert report.unexpected == ("extra.weight",)
    assert report.mismatched == {"linear3.weight": ((3, 6), (5, 6)), "linear3.bias": ((3,), (5,))}
    assert report.loaded == 4 * 6 + 6 + 6
    assert report.share == 36 / 63
    for key in (*report.missing, *report.mismatched):
        assert torch.equal(after[key], before[key])
    for key in report.matched:
        assert torch.equal(after[key], source[key])
    text = str(report)
    assert text.startswith("6 of 9 weights were loaded from other.pth: 36 of 63 parameters (57.1%).\n")
    assert "linear3.weight       another shape       (5, 6) in (3, 6)" in text
    assert json.loads(json.dumps(report.to_dict()))["mismatched"]["linear3.bias"] == {"network": [3], "source": [5]}


def test_strict_refuses_and_loads_nothing() -> None:
    source = dict(network(1).state_dict())
    source["extra"] = source.pop("linear1.bias")
    source["linear3.bias"] = torch.zeros(4)
    target = network(0)
    with pytest.raises(
        CheckpointError, match=r"source lacks linear1.bias; the network lacks extra; shapes differ: linear3.bias"
    ):
        load_weights(target, source, strict=True)
    assert same(target, network(0))


@pytest.mark.parametrize(
    ("rename", "what"),
    [
        (
            lambda key: key.replace("linear", "linaer"),
            r"closest names are 'linaer\d.weight' and the network's 'linear\d.weight'",
        ),
        (lambda key: "§" * len(key), r"The file has '§.*; the network has 'linear1.weight'"),
    ],
)
def test_nothing_that_fits_shows_the_closest_names(rename: Any, what: str) -> None:
    source = {rename(key): value for key, value in network(1).state_dict().items() if "linear" in key}
    target = network(0)
    with pytest.raises(CheckpointError, match=r"None of the [24] weights in the given weights fits the 9 of Network"):
        load_weights(target, source)
    with pytest.raises(CheckpointError, match=what):
        load_weights(target, source)
    assert same(target, network(0))


def test_weights_of_a_part_name_the_part() -> None:
    inner = network(1)
    outer = torch.nn.ModuleDict({"backbone": torch.nn.Sequential(OrderedDict(inside=network(0)))})
    with pytest.raises(CheckpointError, match=r"part 'backbone.inside': load_weights\(network.get_submodule"):
        load_weights(outer, inner.state_dict())
    assert load_weights(outer.get_submodule("backbone.inside"), inner.state_dict()).share == 1.0


def test_names_that_agree_with_other_shapes_only() -> None:
    source = {key: torch.zeros(2, 2, 2) for key in network(0).state_dict()}
    with pytest.raises(
        CheckpointError, match=r"Names agree, shapes do not: linear1.weight is \(2, 2, 2\) in the file and \(6, 4\)"
    ):
        load_weights(network(0), source)


def test_a_module_that_refuses_its_weights_leaves_the_others_as_they_were() -> None:
    class Refusing(torch.nn.Linear):
        def _load_from_state_dict(self, *_arguments: Any) -> None:
            raise ValueError("version 3 is expected")

    target = torch.nn.Sequential(torch.nn.Linear(2, 2), Refusing(2, 2))
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(
        CheckpointError, match="Sequential refused the weights of the given weights: version 3 is expected"
    ):
        load_weights(target, {key: value + 1 for key, value in before.items()})
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


def test_the_versions_of_modules_survive() -> None:
    """torchvision's MNASNet cannot be loaded without."""
    import torchvision

    torch.manual_seed(0)
    source, target = torchvision.models.mnasnet0_5(num_classes=2), torchvision.models.mnasnet0_5(num_classes=2)
    assert load_weights(target, source.state_dict(), strict=True).share == 1.0


def test_precision_and_device_are_the_networks() -> None:
    source = {key: value.double() for key, value in network(1).state_dict().items()}
    target = network(0)
    load_weights(target, source)
    assert same(target, network(1))
    assert target.get_parameter("linear1.weight").dtype == torch.float32


@pytest.mark.parametrize(
    ("content", "error", "what"),
    [
        (["a"], CheckpointError, "holds no weights: names with tensors are expected"),
        ({"epoch": 3, "lr": 0.1}, CheckpointError, r"holds no weights.*It holds 'epoch', 'lr'"),
        ({"state_dict": {}}, CheckpointError, "holds no weights"),
        ({}, CheckpointError, "holds no weights"),
    ],
)
def test_files_without_weights(content: Any, error: type[ToolkitError], what: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(error, match=what):
        load_weights(network(), tmp_path / "a.pth")


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="A Network was given as weights; a file or a mapping"):
        load_weights(network(), network())  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(network(), tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(network(), tmp_path / "none.safetensors")


def test_a_broken_safetensors_file(tmp_path: Path) -> None:
    whole = files(tmp_path, network(1))["safetensors"].read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="cut short or is not a safetensors file"):
            load_weights(network(), tmp_path / "cut.safetensors")


def test_safetensors_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files(tmp_path, network(1))["safetensors"]
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingPackageError, match=r"needs the package 'safetensors'.*\[train\]"):
        load_weights(network(), path)


@settings(max_examples=30, deadline=None)
@given(
    st.sets(st.sampled_from(list(network().state_dict()))),
    st.lists(st.sampled_from(["module.", "_orig_mod.", "model."]), max_size=3),
)
def test_any_part_of_the_weights_under_any_prefix(chosen: set[str], prefixes: list[str]) -> None:
    state = network(1).state_dict()
    prefix = "".join(prefixes)
    target = network(0)
    source = {prefix + key: state[key] for key in state if key in chosen}
    if not chosen:
        with pytest.raises(CheckpointError):
            load_weights(target, source)
        return
    report = load_weights(target, source)
    assert set(report.matched) == chosen
    assert {*report.matched, *report.missing} == set(state)
    assert report.unexpected == ()
    for key, value in target.state_dict().items():
        assert torch.equal(value, state[key] if key in chosen else network(0).state_dict()[key])

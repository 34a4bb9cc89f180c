"""What a network has learnt stays where it fits, whatever is described anew around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from toolkit import nn

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(40, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(int)


def trained(folder: Path, task: str = "cls") -> nn:
    model = nn(task, folder)
    model.set_seed(1)
    model.load_dataset(INPUTS, LABELS if task == "cls" else INPUTS[:, :2] * 100 + 500)
    model.add("linear", size=(4, 8), activation="relu")
    model.add("batchnorm1d")
    model.add("linear", size=(8, 2))
    model.train(epochs=2, verbose=False)
    return model


def weights(model: nn) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.model.cpu().state_dict().items()}


@pytest.mark.parametrize("task", ["cls", "reg"])
def test_layers_that_are_added_leave_the_learnt_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    model = trained(tmp_path, task)
    before = {name: tensor for name, tensor in weights(model).items() if not name.startswith("to_units")}
    model.add("linear", size=(2, 5), activation="relu")
    model.add("linear", size=(5, 2))
    after = weights(model)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    said = capsys.readouterr().out
    new = [name.split(".")[0] for name in after if name not in before and name.endswith("weight")]
    assert len(new) == 2
    assert f"new layers begin untrained: {', '.join(new)}; learnt weights are kept in: " in said
    model.train(epochs=1, verbose=False)


def test_an_activation_that_is_added_says_nothing_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained(tmp_path)
    before = weights(model)
    model.add(activation="softmax")
    assert all(torch.equal(weights(model)[name], tensor) for name, tensor in before.items())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("how", ["loaded", "given"])
def test_loaded_weights_are_kept_too(tmp_path: Path, how: str) -> None:
    model = trained(tmp_path)
    before, other = weights(model), nn("cls", tmp_path / "other")
    if how == "loaded":
        other.load(tmp_path / "last.pth")
    else:
        other.load_dataset(INPUTS, LABELS)
        other.add("linear", size=(4, 8), activation="relu")
        other.add("batchnorm1d")
        other.load_weights({name: tensor for name, tensor in before.items() if not name.startswith("linear3")})
    other.add("linear", size=3)
    after = weights(other)
    assert all(
        torch.equal(after[name], before[name]) for name in before if name.startswith(("linear1", "batchnorm1d2"))
    )


def test_data_of_another_shape_leaves_the_layers_that_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = nn("cls", tmp_path)
    pictures = RANDOM.random((20, 1, 8, 8)).astype(np.float32)
    model.load_dataset(pictures, np.arange(20) % 2)
    model.add("conv2d", size=(1, 3), kernel_size=3)
    model.add("reshape", size=-1)
    model.add("linear", size=2)
    model.train(epochs=1, verbose=False)
    first = next(model.model.parameters()).detach().clone()
    model.load_dataset(RANDOM.random((20, 1, 12, 12)).astype(np.float32), np.arange(20) % 2)
    assert torch.equal(next(model.model.parameters()), first)
    assert "new layers begin untrained: linear" in capsys.readouterr().out


def test_a_network_that_has_learnt_nothing_is_drawn_anew(tmp_path: Path) -> None:
    model = nn("cls", tmp_path, input_shape=(4,))
    model.set_seed(1)
    model.add("linear", size=3)
    model.add("linear", size=2)
    looked = weights(model)
    model.load_dataset(INPUTS, LABELS)
    assert all(torch.equal(weights(model)[name], tensor) for name, tensor in looked.items())


def test_several_label_columns_in_a_list(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2, 3, 4], "sunny": [1, 0, 1, 0], "b": [3, 1, 4, 1], "warm": [0, 0, 1, 1]})
    table.to_csv(tmp_path / "t.csv", index=False)
    model = nn("multilabel")
    train = model.load_tab_data(tmp_path / "t.csv", label=["warm", "sunny"], shuffle=False)
    assert train.data.labels == ("warm", "sunny")
    assert train.targets().tolist() == [[0, 1], [0, 0], [1, 1], [1, 0]]
    assert train.data.card.columns == ("a", "b")

"""A training that was stopped anywhere and resumed is the uninterrupted one, bit for bit; one that lacks a part is refused."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import interrupted_at, numbers, same, settings, small_network, train, weights

from runtime.errors import CheckpointError
from toolkit.data.dataset import Dataset
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.checkpoints.state_inventory import FIELDS, check_fields, with_fields
from toolkit.training.loop.loop import Training
from toolkit.training.optimization.optimizers import OPTIMIZERS

EVERYTHING = {
    "optimizer": "sgd",
    "schedule": "onecycle",
    "warmup": 0.5,
    "accumulate": 2,
    "ema": 0.9,
    "clip_norm": 1.0,
    "early_stopping": 3,
    "metrics": ("acc", "mae"),
    "class_weights": "balanced",
}


def assert_same_training(whole: Training, again: Training) -> None:
    assert same(weights(whole.network), weights(again.network))
    assert same(weights(whole.result), weights(again.result))
    assert numbers(whole.history) == numbers(again.history)
    assert numbers([whole.best]) == numbers([again.best])
    assert whole.schedule.last_rate == again.schedule.last_rate
    assert whole.stopping.state() == again.stopping.state()


def resumed(data: Dataset, changes: Mapping[str, Any], batch: int) -> tuple[Training, Training]:
    """(the uninterrupted training, the one that was stopped after `batch` batches)."""
    asked = settings(**changes)
    whole = train(small_network(), data, asked)
    state = interrupted_at(small_network(), data, asked, batch)
    return whole, train(small_network(seed=77), data, asked, resume=state)


@pytest.mark.parametrize("batch", range(1, 12))
def test_stopped_after_any_batch(clusters: Dataset, batch: int) -> None:
    """Three batches an epoch: in the middle of an epoch and at its end, in the middle of an accumulated group and at its end."""
    assert_same_training(*resumed(clusters, EVERYTHING, batch))


@pytest.mark.parametrize("optimizer", [name for name, entry in OPTIMIZERS.items() if not entry.sparse])
def test_with_every_optimiser_for_dense_gradients(clusters: Dataset, optimizer: str) -> None:
    changes = {"optimizer": optimizer, "lr": None, "weight_decay": 0.01 if OPTIMIZERS[optimizer].decays else 0.0}
    assert_same_training(*resumed(clusters, changes, 7))


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": {"name": "plateau", "patience": 0}, "epochs": 6},
        {"schedule": "cosine", "warmup": 1.0},
        {"precision": "bf16"},
        {"freeze": ("second",), "rates": {"first": 0.1}},
        {"accumulate": 4},
        {"sampling": "balanced"},
        {"monitor": "val_loss", "early_stopping": 1, "lr": 0.3, "epochs": 10},
        {"optimizer": {"name": "sgd", "nesterov": True}, "decay_all": False, "weight_decay": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [2, 5, 6])
def test_with_other_settings(clusters: Dataset, changes: dict[str, Any], batch: int) -> None:
    assert_same_training(*resumed(clusters, changes, batch))


def test_the_state_says_where_the_training_stands(clusters: Dataset) -> None:
    state = interrupted_at(small_network(), clusters, settings(accumulate=2), 4)
    assert (state["epoch"], state["batch"], len(state["history"])) == (1, 1, 1)
    (own,) = state["processes"]
    assert own["weight"] == 16
    assert len(own["outputs"]["outputs"]) == 16
    assert own["step"]["weight"] == 16
    assert any(gradient is not None for gradient in own["step"]["gradients"])


def test_it_can_be_resumed_twice_from_the_same_state(clusters: Dataset) -> None:
    state = interrupted_at(small_network(), clusters, settings(), 4)
    before = copy.deepcopy(state)
    first, second = (train(small_network(seed=9), clusters, settings(), resume=state) for _ in range(2))
    assert_same_training(first, second)
    assert same(state["network"], before["network"])


# ---- what is missing -----------------------------------------------------------------------------------------------------


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key of nested dictionaries, also within lists."""
    if isinstance(value, dict):
        inside = [place for key in value for place in _places(value[key], (*at, key))]
        return [*((*at, key) for key in value), *inside]
    if isinstance(value, list | tuple):
        return [place for number, item in enumerate(value) for place in _places(item, (*at, number))]
    return []


@pytest.fixture(scope="module")
def stopped(clusters: Dataset) -> dict[str, Any]:
    """In the middle of the second epoch and of an accumulated group, with everything that can be in a state."""
    return interrupted_at(small_network(), clusters, settings(**EVERYTHING), 5)


TOP = (
    "epoch", "batch", "rate", "seconds", "network", "average", "optimizer", "schedule", "precision", "stopping", "history",
    "best", "settings", "processes", FIELDS,
)  # fmt: skip
OWN = ("random", "total", "weight", "outputs", "step")


def test_the_fields_named_here_are_all_there_are(stopped: dict[str, Any]) -> None:
    assert sorted(stopped) == sorted(TOP)
    assert sorted(stopped["processes"][0]) == sorted(OWN)


@pytest.mark.parametrize("place", [*((name,) for name in TOP), *(("processes", 0, name) for name in OWN)], ids=str)
def test_no_field_can_be_left_out(clusters: Dataset, stopped: dict[str, Any], place: tuple[Any, ...]) -> None:
    assert_refused(clusters, stopped, place)


def test_nor_any_field_within_them(clusters: Dataset, stopped: dict[str, Any]) -> None:
    places = [place for place in _places(stopped) if place[0] != FIELDS]
    assert len(places) > 100
    for place in places:
        assert_refused(clusters, stopped, place)


def assert_refused(data: Dataset, state: Mapping[str, Any], place: tuple[Any, ...]) -> None:
    changed = copy.deepcopy(dict(state))
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    with pytest.raises(CheckpointError, match=r"changed by hand|cannot be continued"):
        train(small_network(), data, settings(**EVERYTHING), resume=changed)


@pytest.mark.parametrize("place", [("history", 0), ("processes", 0), ("processes", 0, "step", "gradients", 0)], ids=str)
def test_nor_an_entry_of_a_list(clusters: Dataset, stopped: dict[str, Any], place: tuple[Any, ...]) -> None:
    assert_refused(clusters, stopped, place)


@pytest.mark.parametrize("key", [name for name in TOP if name not in ("settings", "precision")])
@pytest.mark.parametrize("junk", [None, -5, "x", [1], {"a": 1}, torch.ones(2)], ids=str)
def test_junk_in_its_place_is_refused(clusters: Dataset, stopped: dict[str, Any], key: str, junk: Any) -> None:
    """Also when the inventory is made to fit."""
    asked = settings(**EVERYTHING)
    make: Callable[..., dict[str, Any]] = (lambda state: state) if key == FIELDS else with_fields
    with pytest.raises(CheckpointError):
        train(small_network(), clusters, asked, resume=make({**stopped, key: junk}))


def test_an_earlier_versions_training_is_refused_and_the_way_out_is_named() -> None:
    with pytest.raises(CheckpointError, match=re.escape("Start from its weights alone with checkpoint=.")):
        check_fields({"epoch": 3, "optimizer": {}, "history": []})


def test_what_is_missing_is_named() -> None:
    state = with_fields({"optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}}, "history": [1, 2]})
    check_fields(state)
    check_fields(with_fields(state))
    del state["optimizer"]["state"][0]["exp_avg"]
    with pytest.raises(CheckpointError, match=r"lacks optimizer\.state\.0\.exp_avg; it was damaged"):
        check_fields(state)


def test_another_number_of_processes_is_refused(clusters: Dataset, stopped: dict[str, Any]) -> None:
    state = with_fields({**stopped, "processes": stopped["processes"] * 2})
    with pytest.raises(CheckpointError, match=r"trained by 2 processes, and there are 1 now. Start as many: torchrun"):
        train(small_network(), clusters, settings(**EVERYTHING), resume=state)


# ---- killed --------------------------------------------------------------------------------------------------------------


def killed(folder: Path, *trainings: tuple[int, int], kind: str = "plain") -> list[Path]:
    """For each (kills, seed) a training that was killed so many times and ended; returns their folders."""
    script = Path(__file__).with_name("killed_training.py")
    command, folders = [sys.executable, str(script), kind], []
    for kills, seed in trainings:
        folders.append(folder / f"killed-{kills}")
        folders[-1].mkdir()
        command += [str(folders[-1]), str(kills), str(seed)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert (done.returncode, done.stdout.split()) == (0, [str(kills) for kills, _ in trainings]), done.stderr
    return folders


def assert_same_folder(whole: Path, again: Path) -> None:
    for name in ("last.pth", "best.pth"):
        one, other = Checkpoint.load(whole / name), Checkpoint.load(again / name)
        assert same(one.state_dict, other.state_dict)
        assert same(one.training["network"], other.training["network"])
        assert numbers(one.training["history"]) == numbers(other.training["history"])
        assert one.card.training["measured"] == other.card.training["measured"]
    assert not [path.name for path in again.iterdir() if path.name.startswith(".")]


def test_a_training_killed_three_times_is_the_one_that_was_not(tmp_path: Path) -> None:
    assert_same_folder(*killed(tmp_path, (0, 0), (3, 1)))


@pytest.mark.slow
def test_also_with_augmentation_in_two_processes(tmp_path: Path) -> None:
    assert_same_folder(*killed(tmp_path, (0, 0), (3, 2), kind="augmented"))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("kills", [8, 20])
def test_a_training_killed_many_times_is_the_one_that_was_not(tmp_path: Path, kills: int) -> None:
    assert_same_folder(*killed(tmp_path, (0, 0), (kills, kills)))

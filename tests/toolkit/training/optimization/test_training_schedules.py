"""Learning-rate schedules: their beginning, their end, and torch's own for comparison."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from runtime.errors import CheckpointError, SpecError
from toolkit.training.optimization.schedules import SCHEDULES, Schedule, find_schedule, make_schedule, peak_factor

# one setting of each that JSON can hold
SETTINGS: dict[str, Any] = {
    "constant": "constant",
    "step": {"name": "step", "step_size": 2, "gamma": 0.5},
    "multistep": {"name": "multistep", "milestones": [1, 3], "gamma": 0.2},
    "exponential": {"name": "exponential", "gamma": 0.8},
    "cosine": {"name": "cosine", "eta_min": 0.01},
    "cosine_restarts": {"name": "cosine_restarts", "T_0": 1, "T_mult": 2, "eta_min": 0.01},
    "onecycle": "onecycle",
    "plateau": {"name": "plateau", "factor": 0.5, "patience": 0},
    "linear": {"name": "linear", "start_factor": 0.5, "end_factor": 0.1},
    "polynomial": {"name": "polynomial", "power": 2},
}


def sgd(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates or (1.0,)])


def follow(optimizer: torch.optim.Optimizer, step: Callable[[], Any], steps: int, group: int = 0) -> list[float]:
    """The rate of every step, and the one after the last."""
    found = []
    for _ in range(steps + 1):
        found.append(float(optimizer.param_groups[group]["lr"]))
        optimizer.step()
        step()
    return found


def rates(setting: Any, steps: int, peak: float = 1.0, warmup: float = 0.0, epochs: int = 1) -> list[float]:
    optimizer = sgd(peak)
    schedule = make_schedule(setting, optimizer, epochs=epochs, steps_per_epoch=steps // epochs, warmup=warmup)
    return follow(optimizer, schedule.step, steps)


def test_constant_stays() -> None:
    assert set(rates("Constant", 10, 0.3)) == {0.3}


def test_every_schedule_is_among_the_settings_and_comes_back_from_json() -> None:
    assert {*SETTINGS, "lambda"} == set(SCHEDULES)
    for name, setting in SETTINGS.items():
        found = find_schedule(setting)
        assert find_schedule(json.loads(json.dumps(found))) == found
        assert rates(found, 12, epochs=4) == rates(json.loads(json.dumps(found)), 12, epochs=4)
        assert SCHEDULES[name].doc.endswith(".")


@pytest.mark.parametrize(
    ("setting", "torchs_own"),
    [
        ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, 12)),
        ({"name": "cosine", "eta_min": 0.05}, lambda o: lr_scheduler.CosineAnnealingLR(o, 12, eta_min=0.05)),
        ({"name": "step", "step_size": 2, "gamma": 0.5}, lambda o: lr_scheduler.StepLR(o, 6, 0.5)),
        ({"name": "multistep", "milestones": [1, 3]}, lambda o: lr_scheduler.MultiStepLR(o, [3, 9])),
        ({"name": "linear", "start_factor": 0.5, "end_factor": 0.1}, lambda o: lr_scheduler.LinearLR(o, 0.5, 0.1, 12)),
        ({"name": "polynomial", "power": 2}, lambda o: lr_scheduler.PolynomialLR(o, 12, 2)),
        ({"name": "cosine_restarts", "T_0": 1, "T_mult": 2, "eta_min": 0.01},
         lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2, 0.01)),
        ({"name": "onecycle", "final_div_factor": 1e4},
         lambda o: lr_scheduler.OneCycleLR(o, 0.3, 13, cycle_momentum=False, pct_start=0.3)),
    ],
)  # fmt: skip
def test_the_rates_are_torchs_own(setting: Any, torchs_own: Callable[[Any], Any]) -> None:
    """Four epochs of three steps."""
    optimizer = sgd(0.3)
    scheduler = torchs_own(optimizer)
    steps = 11 if "onecycle" in str(setting) else 12
    expected = follow(optimizer, scheduler.step, steps)
    found = rates(setting, 12, 0.3, epochs=4)[: steps + 1]
    if "onecycle" in str(setting):  # torch's peak is at a whole step, a little before the share of the training
        assert found == pytest.approx(expected, abs=0.07)
        return
    assert found == pytest.approx(expected, abs=1e-9)


def test_exponential_falls_once_an_epoch() -> None:
    assert rates({"name": "exponential", "gamma": 0.5}, 6, epochs=3) == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_onecycle_rises_to_the_peak_over_thirty_percent_and_falls_to_a_ten_thousandth() -> None:
    found = rates("OneCycle", 100, 0.5)
    assert found[0] == pytest.approx(0.5 / 25)
    assert found.index(max(found)) == 30
    assert max(found) == pytest.approx(0.5)
    assert found[-1] == pytest.approx(0.5e-4)
    assert found[:31] == sorted(found[:31])
    assert found[30:] == sorted(found[30:], reverse=True)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_warm_up_rises_in_even_steps_to_where_the_schedule_begins(name: str) -> None:
    first = rates(SETTINGS[name], 30, epochs=10)[0]
    found = rates(SETTINGS[name], 30, warmup=4 / 3, epochs=10)
    assert found[:5] == pytest.approx([first * share for share in (0.2, 0.4, 0.6, 0.8, 1.0)])
    if name in ("cosine", "linear", "polynomial"):  # the rest of the training is theirs
        assert found[-1] == pytest.approx(rates(SETTINGS[name], 30, epochs=10)[-1], abs=1e-9)


def test_a_function_gives_the_factor_for_the_epochs_done() -> None:
    optimizer = sgd(0.5)
    schedule = make_schedule(lambda epoch: 1 / (1 + epoch), optimizer, epochs=2, steps_per_epoch=2)
    assert follow(optimizer, schedule.step, 3) == pytest.approx([0.5, 0.5 / 1.5, 0.25, 0.2])
    assert "test_a_function" in find_schedule(lambda epoch: 1.0)["function"]  # type: ignore[index]
    for setting in ("lambda", {"name": "lambda", "function": "f"}, find_schedule(lambda epoch: 1.0)):
        with pytest.raises(SpecError, match="which only Python can give"):
            make_schedule(setting, sgd())


def test_plateau_falls_when_the_score_does_not_rise() -> None:
    optimizer = sgd(1.0, 0.1)
    setting = {"name": "plateau", "factor": 0.5, "patience": 1, "min_lr": 0.06}
    schedule = make_schedule(setting, optimizer, epochs=10, steps_per_epoch=2, warmup=1)
    seen = []
    for score in (0.5, -3.0, -2.0, -2.0, -2.0, -2.0, -1.0, -1.0, float("nan"), -1.0):
        for _ in range(2):
            optimizer.step()
            schedule.step()
        schedule.epoch_end(score)
        seen.append(schedule.last_rate)
    # 0.5 was best; then two epochs without a better one halve the rate, again and again
    assert seen == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.06)


@pytest.mark.parametrize("name", SETTINGS)
def test_groups_keep_the_proportion_of_their_rates(name: str) -> None:
    optimizer = sgd(1.0, 0.1)
    setting = SETTINGS[name] if "restarts" not in name and name != "cosine" else name
    schedule = make_schedule(setting, optimizer, epochs=4, steps_per_epoch=3, warmup=0.5)
    for _ in range(12):
        optimizer.step()
        schedule.step()
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert second == pytest.approx(first / 10)


@pytest.mark.parametrize("name", [*SETTINGS, "lambda"])
def test_resuming_gives_exactly_the_rates_of_going_on(name: str) -> None:
    setting = (lambda epoch: 0.9**epoch) if name == "lambda" else SETTINGS[name]
    scores = [0.5, 0.4, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5]

    def make() -> tuple[torch.optim.Optimizer, Schedule]:
        optimizer = sgd(0.3, 0.03)
        return optimizer, make_schedule(setting, optimizer, epochs=8, steps_per_epoch=3, warmup=1.5)

    def go(optimizer: torch.optim.Optimizer, schedule: Schedule, first: int, last: int) -> list[list[float]]:
        seen = []
        for step in range(first, last):
            seen.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedule.step()
            if step % 3 == 2:
                schedule.epoch_end(scores[step // 3])
        return seen

    whole = go(*make(), 0, 24)
    for stop in (0, 1, 4, 11, 12):
        optimizer, schedule = make()
        before = go(optimizer, schedule, 0, stop)
        buffer = io.BytesIO()
        torch.save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, buffer)
        json.dumps(schedule.state_dict())
        buffer.seek(0)
        state = torch.load(buffer, weights_only=True)
        optimizer, schedule = make()
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        assert before + go(optimizer, schedule, stop, 24) == whole


def test_a_damaged_state_is_refused() -> None:
    schedule = make_schedule("plateau", sgd(), epochs=2, steps_per_epoch=2)
    state = schedule.state_dict()
    for damaged in ({}, {**state, "rates": [1.0, 2.0]}, {**state, "plateau": {}}, {**state, "steps": "x"}, None):
        with pytest.raises(CheckpointError, match="cannot be continued"):
            schedule.load_state_dict(damaged)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_beyond_the_end_are_harmless(name: str) -> None:
    found = rates(SETTINGS[name], 9, epochs=3)
    optimizer = sgd()
    schedule = make_schedule(SETTINGS[name], optimizer, epochs=3, steps_per_epoch=3)
    longer = follow(optimizer, schedule.step, 12)
    assert longer[:10] == found
    if name in ("constant", "cosine", "onecycle", "linear", "polynomial", "plateau"):
        assert longer[10:] == [found[-1]] * 3
    assert len(set(rates(name if name != "multistep" else SETTINGS[name], 0))) == 1  # no steps at all


def test_the_usual_rate_is_raised_for_a_schedule_that_spends_little_time_at_it() -> None:
    assert peak_factor("OneCycle") == peak_factor({"name": "onecycle", "pct_start": 0.2}) == 4
    assert peak_factor("constant") == peak_factor("cosine") == peak_factor(lambda epoch: 1.0) == 1


@pytest.mark.parametrize("name", ["cosin", "", 3, None])
def test_an_unknown_name_suggests(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no schedule .*(Did you mean|Known names)"):
        make_schedule(name, sgd())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("multistep", "needs milestones, such as"),
        ({"name": "multistep", "milestones": ["a"]}, "milestones='a'; a number above 0"),
        ({"name": "step", "step_size": 0}, "step_size=0; a number above 0 is expected"),
        ({"name": "step", "gama": 0.1}, "has no option 'gama'. Did you mean 'gamma'?"),
        ({"name": "cosine_restarts", "T_mult": 0.5}, "T_mult=0.5; a number of at least 1"),
        ({"name": "onecycle", "pct_start": 1}, "pct_start=1; a share between 0 and 1"),
        ({"name": "plateau", "factor": 2}, "factor=2; a number below 1"),
        ({"name": "plateau", "patience": -1}, "patience=-1; a number of at least 0"),
        ({"name": "linear", "end_factor": "no"}, "end_factor='no' was given; a number is expected"),
        ({"name": "constant", "gamma": 1}, "has no option 'gamma'. It takes none."),
        ({"gamma": 1}, "has no name"),
    ],
)
def test_a_wrong_option_is_told(setting: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_schedule(setting)
    assert words in str(caught.value)


def test_a_warm_up_as_long_as_the_training_is_refused() -> None:
    with pytest.raises(SpecError, match="warmup=3 was given, but the training is 3 epochs long"):
        make_schedule("cosine", sgd(), epochs=3, steps_per_epoch=5, warmup=3)

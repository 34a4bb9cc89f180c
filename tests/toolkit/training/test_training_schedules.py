"""Learning-rate schedules: their beginning, their end, and torch's own for comparison."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from runtime.errors import SpecError
from toolkit.training.schedules import SCHEDULES, make_schedule, peak_factor


def rates(name: str, steps: int, peak: float = 1.0) -> list[float]:
    """The rate of every step, and the one after the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=peak)
    schedule = make_schedule(name, optimizer, steps)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_constant_stays() -> None:
    assert set(rates("Constant", 10, 0.3)) == {0.3}


def test_cosine_falls_from_the_rate_to_nothing_as_torchs_does() -> None:
    found = rates("cosine", 20, 0.3)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    expected = []
    for _ in range(21):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert found == pytest.approx(expected, abs=1e-9)


def test_onecycle_rises_to_the_peak_over_thirty_percent_and_falls_to_a_ten_thousandth() -> None:
    found = rates("OneCycle", 100, 0.5)
    assert found[0] == pytest.approx(0.5 / 25)
    assert found.index(max(found)) == 30
    assert max(found) == pytest.approx(0.5)
    assert found[-1] == pytest.approx(0.5e-4)
    assert found[:31] == sorted(found[:31])
    assert found[30:] == sorted(found[30:], reverse=True)


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_beyond_the_end_keep_the_last_rate(name: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = make_schedule(name, optimizer, 0)
    optimizer.step()
    schedule.step()
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(SCHEDULES[name](1.0))


def test_the_usual_rate_is_raised_for_a_schedule_that_spends_little_time_at_it() -> None:
    assert peak_factor("OneCycle") > peak_factor("constant") == peak_factor("cosine") == 1


@pytest.mark.parametrize("name", ["cosin", "", 3])
def test_an_unknown_name_suggests(name: Any) -> None:
    with pytest.raises(SpecError, match=r"There is no schedule .*(Did you mean|Known names)"):
        make_schedule(name, torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0), 10)

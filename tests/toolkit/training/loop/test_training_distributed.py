"""Several processes learn what one process with as large a batch learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from several_processes import CASES, learn

from runtime.errors import SpecError
from toolkit.training.loop.distributed import Processes, setup


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder, and what each of two processes found."""
    folder = tmp_path_factory.mktemp("together")
    script = Path(__file__).with_name("several_processes.py")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launch, str(script), str(folder)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, [torch.load(folder / f"rank{rank}.pth", weights_only=True) for rank in (0, 1)]


def close(a: Any, b: Any, tolerance: float = 1e-6) -> None:
    assert list(a) == list(b)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one_with_the_doubled_batch(together: Any, name: str) -> None:
    alone = learn(Processes(), name)
    first, second = (found[name] for found in together[1])
    close(first["weights"], second["weights"], 0.0)
    close(first["weights"], alone["weights"])
    close(first["result"], alone["result"])
    for here, there in zip(alone["history"], first["history"], strict=True):
        assert list(here) == list(there)
        for value in here:
            if value != "seconds":
                assert there[value] == pytest.approx(here[value], abs=2e-6), value


@pytest.mark.slow
def test_a_training_of_two_processes_is_resumed_in_the_middle_of_an_epoch(together: Any) -> None:
    for found in together[1]:
        close(found["whole"]["weights"], found["again"]["weights"], 0.0)
        histories = [[{**entry, "seconds": 0} for entry in found[name]["history"]] for name in ("whole", "again")]
        assert histories[0] == histories[1]


@pytest.mark.slow
def test_only_the_first_process_writes_and_speaks(together: Any) -> None:
    folder, (first, second) = together
    assert len(first["lines"]) == 3  # two epochs and the test part
    assert second["lines"] == []
    assert json.loads((folder / "run" / "run.json").read_text())["processes"] == 2
    assert not [path for path in (folder / "run").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_each_process_knows_its_place(together: Any) -> None:
    for rank, found in enumerate(together[1]):
        assert found["place"] == [rank, 2, "cpu", str(rank)]


@pytest.mark.slow
def test_processes_with_seeds_of_their_own_are_refused(together: Any) -> None:
    for found in together[1]:
        assert found["refused"].startswith("Each process drew another seed. Set one with set_seed")


# ---- one process ---------------------------------------------------------------------------------------------------------


def test_alone_nothing_is_exchanged() -> None:
    alone = Processes()
    assert alone.writes
    assert alone.sum(2.0, 3.0) == [2.0, 3.0]
    assert alone.any(False, True) == [False, True]
    assert alone.gather("x") == ["x"]
    module = torch.nn.Linear(2, 2)
    assert alone.join(module) is module
    assert alone.join_normalization(module) is module
    alone.wait()


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1"}, {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}])
def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = setup()
    assert (found.rank, found.world) == (0, 1)
    assert setup(torch.device("cpu")).device == torch.device("cpu")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE without RANK was found in the environment"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE without LOCAL_RANK was found"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE='two' was found"),
        ({"WORLD_SIZE": "2", "RANK": "-1", "LOCAL_RANK": "0"}, "RANK='-1' was found"),
        ({"WORLD_SIZE": "2", "RANK": "2", "LOCAL_RANK": "0"}, "RANK=2 was given for WORLD_SIZE=2 processes"),
    ],
)
def test_an_environment_that_is_incomplete_is_explained(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=words):
        setup()

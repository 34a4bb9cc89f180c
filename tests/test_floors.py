"""The run-time half keeps to Python 3.10, and what an extra needs is asked for where it can run."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BOARDS = [
    {"python_version": python, "platform_machine": machine, "sys_platform": system, "extra": ""}
    for python in ("3.10", "3.11", "3.13")
    for machine, system in (("aarch64", "linux"), ("x86_64", "linux"), ("AMD64", "win32"), ("arm64", "darwin"), ("x86_64", "darwin"))
]  # fmt: skip


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_run_time_half_needs_no_newer_python_than_it_asks_for(project: dict[str, Any]) -> None:
    pytest.importorskip("vermin")
    least = project["requires-python"].removeprefix(">=")
    command = [
        sys.executable,
        "-c",
        "import vermin; vermin.main()",
        f"-t={least}-",
        "--no-tips",
        "--violations",
        "--eval-annotations",
    ]
    ran = subprocess.run([*command, "runtime", "cli.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("board", BOARDS)
def test_one_wheel_of_onnxruntime_at_most_and_none_that_ends_with_sigill(
    project: dict[str, Any], board: dict[str, str]
) -> None:
    for extra in ("cpu", "gpu", "train"):
        asked = [Requirement(text) for text in project["optional-dependencies"][extra]]
        taken = [entry for entry in asked if entry.marker is None or entry.marker.evaluate(board)]
        wheels = [entry for entry in taken if entry.name.startswith("onnxruntime")]
        assert len(wheels) == (extra != "train" or board["python_version"] != "3.10")
        assert not any(entry.name == "onnxruntime" and "1.21.0" in entry.specifier for entry in wheels)
        if extra == "train" and board["python_version"] == "3.10":
            assert taken == []

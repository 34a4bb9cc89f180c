"""run.json: settings, data, device and versions of a run, to reproduce its files."""

from __future__ import annotations

import datetime
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.atomic import atomic_write
from runtime.json_text import json_text
from toolkit.training.runs.producer import producer
from toolkit.training.settings import Settings

__all__ = ["RunRecord"]


@dataclass
class RunRecord:
    """Record of a run.

    Attributes:
        settings: of the training.
        data: its source, number of examples and fingerprint.
        device: its device, in words.
        processes: number of processes.
        resumed: whole epochs that an earlier run had done, or None.
    """

    settings: Settings
    data: Mapping[str, Any]
    device: str
    processes: int = 1
    resumed: int | None = None
    started: str = field(default_factory=lambda: _now())

    def write(self, folder: Path, *, epochs: int, state: str) -> None:
        """Write run.json.

        Args:
            folder: of the run.
            epochs: whole epochs done.
            state: "running", "interrupted" or "finished".
        """
        content = {
            "state": state,
            "started": self.started,
            "ended": None if state == "running" else _now(),
            "epochs": epochs,
            "resumed_after": self.resumed,
            "command": shlex.join(sys.argv),
            "seed": self.settings.seed,
            "device": self.device,
            "processes": self.processes,
            "data": dict(self.data),
            "settings": self.settings.to_dict(),
            "versions": {**producer(), "python": platform.python_version(), "numpy": np.__version__},
            "platform": platform.platform(),
            "threads": torch.get_num_threads(),
        }
        atomic_write(folder / "run.json", json_text(content, indent=2) + "\n")


def device_text(device: torch.device) -> str:
    """A device in words: "cpu", or the name of the GPU beside its number."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

"""MixUp and CutMix: whole batches mixed with themselves, with soft targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError
from toolkit.data.augmentation.arguments import build_transform
from toolkit.data.augmentation.names import CONTAINERS
from toolkit.data.augmentation.seeds import derived
from toolkit.data.augmentation.steps import Step, read_steps
from toolkit.data.dataset import Dataset

__all__ = ["Mix", "mixes"]

_NAMES = ("MixUp", "CutMix")


@dataclass(frozen=True)
class Mix:
    """One step on a batch: "MixUp" (Zhang et al., arXiv:1710.09412), "CutMix" (Yun et al., arXiv:1905.04899), a random choice
    between them, or either of them applied now and then.
    """

    step: Step

    @classmethod
    def from_setting(cls, setting: Any) -> Mix:
        """Inverse of `to_setting`. Raises InputError for anything but one mixing step."""
        steps = read_steps(setting)
        if len(steps) != 1 or not mixes(steps[0]):
            raise InputError(f"{setting!r:.80} does not say how to mix; one of MixUp and CutMix is expected.")
        return cls(steps[0])

    def to_setting(self) -> dict[str, Any]:
        """Plain JSON, for the checkpoint and for TOML."""
        return self.step.to_json()

    def check(self, data: Dataset) -> None:
        """Raise InputError where the data are not pictures with one class each."""
        if data.task != "classification" or len(data.shape) != 3 or data.dtype != "float32":
            raise InputError(
                f"{self.step.name} mixes pictures of which each has one class; the data are {data.describe()}. Train without it."
            )

    def __call__(
        self, inputs: torch.Tensor, targets: torch.Tensor, classes: int, seed: int, epoch: int, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, H, W) and int64 (B,) -> inputs of the same shape and float32 (B, classes), each row adding up to 1.

        The numbers depend on (seed, epoch, batch); the global random state stays as it is.
        """
        labels = torch.nn.functional.one_hot(targets, classes).float()
        if len(inputs) == 0:
            return inputs, labels
        drawn = derived(derived(np.array([seed], np.uint64), epoch), batch)
        generator = torch.default_generator
        state = generator.get_state()
        try:
            generator.manual_seed(int(drawn[0] >> np.uint64(1)))
            mixed, soft = _module(self.step)(inputs, labels)
        finally:
            generator.set_state(state)
        return mixed, soft


def mixes(step: Step) -> bool:
    """True if a step mixes a batch: MixUp, CutMix, or a container of these. Raises InputError for a mixed container."""
    if step.name in _NAMES:
        return True
    if step.name not in CONTAINERS or not step.inside:
        return False
    inner = [mixes(entry) for entry in step.inside]
    if any(inner) and not all(inner):
        raise InputError(
            f"{step.name} holds both steps on a batch (MixUp, CutMix) and on single pictures. Put them apart."
        )
    return all(inner)


def _module(step: Step) -> Any:
    return build_transform(step.name, step.arguments, [_module(inner) for inner in step.inside])

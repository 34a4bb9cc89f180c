"""Answer of a trained network, computed from what its loss compares: the same in metrics, inference and the exported file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.tasks.registry import find_task, known_task
from toolkit.tasks.task import Task
from toolkit.training.losses.make import find_loss
from toolkit.training.losses.outputs import Select, ending, select_outputs, select_predictions
from toolkit.training.losses.registry import LOSSES, LossEntry

__all__ = ["Answer", "find_answer"]


@dataclass(frozen=True)
class Answer:
    """What a network says, where that is not its plain output: rates of a network that was trained on their logarithms, means
    and variances, a probability per label.

    Attributes:
        task: of the data.
        loss: torch's name of the loss; `options`: its options.
    """

    task: str
    loss: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """Name and role of the output that answers: "values" or "probabilities"."""
        return str(self._task.answered)

    @property
    def further(self) -> tuple[str, ...]:
        """Names of the outputs beside it, such as "variances"."""
        return self._task.further_answers(self._entry)

    @property
    def _task(self) -> Task:
        return find_task(self.task)

    @property
    def _entry(self) -> LossEntry:
        return LOSSES[self.loss]

    def __call__(self, network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
        """Run a network: the answer (N, T) by its role, and the further outputs by name."""
        compared = self._select(network)(network, inputs if len(inputs) > 1 else inputs[0])
        predict = select_predictions(self.loss, self._entry, dict(self.options), self.task, ending(network))
        found = {self.role: predict(compared)}
        return found | self._task.further_answer(compared, self._entry)

    def _select(self, network: torch.nn.Module) -> Select:
        # class axis and logarithms matter to classes only, whose answer is their own output
        return select_outputs(
            self._entry.output,
            ending(network),
            axis=1,
            classes=self._task.classes is not None,
            make_logarithms=False,
        )


def find_answer(task: str, loss: Any) -> Answer | None:
    """Answer of networks of a task that were trained with a loss.

    Args:
        task: of the model card.
        loss: the setting of the training: a name, or a mapping with options; None where it is not known.

    Returns:
        None where the network's plain output is the answer: other tasks, a function as the loss, a network's own loss.
    """
    found = known_task(task)
    if found is None or found.answered is None or not isinstance(loss, str | Mapping):
        return None
    try:
        name, options = find_loss(loss, task)
    except SpecError:  # a function, the network's own, or one of another task
        return None
    return Answer(task, name, options)

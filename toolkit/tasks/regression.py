"""Regression: one or several values per example, float32 (N, T)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError
from toolkit.tasks.label_arrays import columns_by_name, label_array, unfit_labels
from toolkit.tasks.protocols import Examples, LossForm
from toolkit.tasks.refusal import refuse
from toolkit.tasks.task import Task

__all__ = ["TASK", "RegressionTask"]

# Share of the standard deviation by which targets may be moved when they become float32.
_MOST_LOST = 0.1


class RegressionTask(Task):
    """Values: targets float32 (N, T), outputs (N, T)."""

    name = "regression"
    aliases = ("reg",)
    losses = (
        *(
            "BCELoss",
            "MSELoss",
            "L1Loss",
            "SmoothL1Loss",
            "HuberLoss",
            "KLDivLoss",
            "PoissonNLLLoss",
            "GaussianNLLLoss",
        ),
        *("MarginRankingLoss",),
    )
    metrics = ("mae", "mse", "rmse", "r2")
    default_metrics = ("mae", "r2")
    ignored_metrics = ("acc", "accuracy")
    answered = "values"
    label_noun = "targets"
    augmentation_refusal = None
    scales_targets = True

    def read_targets(self, y: Any, labels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Numbers (N,) or (N, T) -> float32 (N, T)."""
        targets = label_array(y)
        try:
            with np.errstate(over="ignore"):
                values = targets.astype(np.float32).reshape(len(targets), -1)
        except (TypeError, ValueError) as error:
            raise InputError(f"The targets of dtype {targets.dtype} cannot be read as numbers: {error}.") from error
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise InputError(f"The target of row {row + 1} is {targets[row]}; finite numbers of float32 are expected.")
        _check_digits(targets, values)
        names = tuple(map(str, labels)) if labels else tuple(f"target {n}" for n in range(values.shape[1]))
        if len(names) != values.shape[1]:
            raise InputError(f"{len(names)} names were given for {values.shape[1]} targets; one for each is expected.")
        return values, names if values.shape[1] > 1 or labels else ("target",)

    def targets_by_name(self, targets: Any, names: Sequence[str], wanted: Sequence[str], place: str) -> Any:
        """The columns in the order of the wanted names."""
        return columns_by_name(targets, names, wanted, place)

    def array_targets(self, values: np.ndarray, labels: Sequence[str], place: Path) -> np.ndarray | None:
        """Numbers -> float32 (N, T)."""
        try:
            found = values.astype(np.float32).reshape(len(values), -1)
        except (TypeError, ValueError) as error:
            raise unfit_labels(values, place, "numbers, (N, T),", self.name) from error
        if labels and found.shape[1] != len(labels):
            raise unfit_labels(values, place, "numbers, (N, T),", self.name)
        return found

    def describe(self, data: Examples) -> str:
        """The names of the values."""
        return f"targets {', '.join(data.labels)}"

    def default_loss(self, views: int = 1) -> str:
        """The mean squared error."""
        return "MSELoss"

    def check_targets(self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples) -> None:
        """Counts for Poisson, probabilities for binary cross-entropy, distributions for the divergence."""
        lowest, highest = float(data.targets.min()), float(data.targets.max())
        if name == "PoissonNLLLoss" and lowest < 0:
            raise refuse(
                name, f"a target is {lowest:g}.", "Counts of at least 0 are expected; for other values use MSELoss."
            )
        if name == "BCELoss" and not (lowest >= 0 and highest <= 1):
            wrong = lowest if lowest < 0 else highest
            raise refuse(
                name, f"a target is {wrong:g}.", "Numbers from 0 to 1 are expected; for other values use MSELoss."
            )
        if name == "KLDivLoss":
            _check_distributions(name, data.targets.astype(float), bool(options.get("log_target")))

    def check_output(
        self, name: str, loss: LossForm, options: Mapping[str, Any], data: Examples, shape: tuple[int, ...]
    ) -> None:
        """A ranking takes data of one value too."""
        super().check_output(name, loss, options, data, shape)
        if loss.output == "scores" and data.targets.shape[1:] != (1,):
            raise refuse(
                name, f"the data has {data.targets.shape[1]} targets.", "It ranks by one; use MSELoss for several."
            )

    def output_shape(self, loss: LossForm, data: Examples) -> tuple[int, ...] | None:
        """One number per value; a mean and a variance, or one score, where the loss takes these."""
        if loss.output == "scores":
            return (1,)
        shape = tuple(data.targets.shape[1:])
        return (2 * shape[0], *shape[1:]) if loss.output == "means and variances" else shape

    def output_words(self, loss: LossForm, data: Examples) -> str:
        """The number of values."""
        words = f"{' x '.join(map(str, data.targets.shape[1:]))} targets"
        if loss.output == "means and variances":
            return f"{words}, a mean and a variance for each"
        return f"{words}, of which it ranks one" if loss.output == "scores" else words

    def weight_count(self, data: Examples) -> int:
        """One per value."""
        return int(data.targets.shape[1])

    def initial_output(
        self, targets: Callable[[], torch.Tensor], name: str, options: Mapping[str, Any]
    ) -> torch.Tensor | None:
        """The mean of the targets (T,); its logarithm where the loss takes that."""
        mean = targets().double().mean(0)
        logarithm = name == "PoissonNLLLoss" and options.get("log_input", True)
        return (mean.clamp_min(1e-8).log() if logarithm else mean).float()

    def answer(self, outputs: Any, name: str, loss: LossForm, options: Mapping[str, Any]) -> Any:
        """Values (N, T): means of distributions, numbers instead of their logarithms."""
        if loss.output == "means and variances":
            return outputs.chunk(2, dim=1)[0]
        if name == "PoissonNLLLoss" and options.get("log_input", True):
            return torch.exp(outputs)
        if name == "KLDivLoss" and not options.get("log_target"):
            return torch.exp(outputs)
        return outputs

    def further_answers(self, loss: LossForm) -> tuple[str, ...]:
        """The variances of distributions."""
        return ("variances",) if loss.output == "means and variances" else ()

    def further_answer(self, outputs: Any, loss: LossForm) -> dict[str, torch.Tensor]:
        """Variances (N, T) of distributions, above 0."""
        if loss.output != "means and variances":
            return {}
        return {"variances": torch.nn.functional.softplus(outputs.chunk(2, dim=1)[1])}


def _check_digits(given: np.ndarray, values: np.ndarray) -> None:
    """Raise InputError for targets (N, ...) that differ by less than float32, of which `values` (N, T) are, tells apart at their
    size."""
    if given.dtype.kind not in "fiu" or given.dtype.itemsize < 4:
        return
    exact = given.reshape(values.shape).astype(np.float64)
    spread = exact.std(0)
    lost = np.abs(exact - values).max(0, initial=0.0) > _MOST_LOST * spread
    wrong = np.flatnonzero(lost & (spread > 1e-12 * np.abs(exact).max(0, initial=0.0)))
    if wrong.size:
        column = int(wrong[0])
        raise InputError(
            f"The targets lie about {exact[:, column].mean():.10g} and differ by {spread[column]:.3g} (standard deviation), which float32 "
            f"does not tell apart at that size. Subtract a fixed number from them, and add it to the predictions."
        )


def _check_distributions(name: str, targets: np.ndarray, logarithms: bool) -> None:
    """Raise SpecError for rows that are no distributions."""
    shares = np.exp(targets) if logarithms else targets
    sums = shares.reshape(len(shares), -1).sum(1)
    if (shares < 0).any() or not np.allclose(sums, 1, atol=1e-3):
        wrong = int(np.abs(sums - 1).argmax())
        raise refuse(
            name,
            f"the targets of example {wrong} are no distribution (they sum to {sums[wrong]:g}).",
            "Numbers of at least 0 that sum to 1 in each row are expected; for other values use MSELoss.",
        )


TASK = RegressionTask()

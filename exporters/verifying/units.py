"""Units of a network's outputs: what a difference is measured by where the card says that targets were scaled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporters.settings import Tolerance
from runtime.card import ModelCard

__all__ = ["PLAIN", "Units", "output_units"]

Array = np.ndarray[Any, Any]

_ROUNDING = 2 * float(np.finfo(np.float32).eps)
"""Of a number, relative: what torch and a file may round differently where a mean is added last."""


@dataclass(frozen=True)
class Units:
    """Units of one output (N, T): by `std` and about `mean`, T numbers each. Of other outputs 1 and 0.

    A difference of an output 1,000,000 +- 1 says nothing relative to a million, and one of an output +- 1e-6 nothing beside 1e-5.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def allowed(self, exact: Array, tolerance: Tolerance) -> Array:
        """Allowed absolute difference: one number, or (T,) where there are units. `exact` (N, ...) is float64 and finite."""
        if not self._fit(exact):
            return np.asarray(tolerance.absolute + tolerance.relative * np.abs(exact).max(initial=0.0))
        std = np.array(self.std)
        greatest = np.abs((exact - self.mean) / std).max(0, initial=0.0)
        rounding = _ROUNDING * np.abs(exact).max(0, initial=0.0)
        found: Array = std * (tolerance.absolute + tolerance.relative * greatest) + rounding
        return found

    def squares(self, exact: Array, difference: Array) -> tuple[float, float]:
        """(sum of the squared differences, of the squared outputs), both in units; `exact` and `difference` are (N, ...)."""
        if self._fit(exact):
            exact, difference = (exact - self.mean) / np.array(self.std), difference / np.array(self.std)
        return float(np.square(difference).sum()), float(np.square(exact).sum())

    def _fit(self, exact: Array) -> bool:
        return bool(self.std) and exact.ndim == 2 and exact.shape[1] == len(self.std)


PLAIN = Units()


def output_units(card: ModelCard | None) -> dict[str, Units]:
    """Output name -> units, of the outputs in the units of targets that were scaled; none where the card says nothing of that."""
    told = card.training.get("target_scaling") if card is not None else None
    if card is None or not isinstance(told, Mapping):
        return {}
    mean, std = _numbers(told.get("mean")), _numbers(told.get("std"))
    if not std or len(mean) != len(std) or min(std) <= 0:
        return {}
    squared = Units((0.0,) * len(std), tuple(value * value for value in std))
    roles = {entry.name: Units(mean, std) for entry in card.outputs if entry.role == "values"}
    return roles | {entry.name: squared for entry in card.outputs if entry.name == "variances"}


def _numbers(values: Any) -> tuple[float, ...]:
    """Finite numbers of an untrusted card; none for anything else."""
    if not isinstance(values, list | tuple):
        return ()
    fits = all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    return tuple(map(float, values)) if fits else ()

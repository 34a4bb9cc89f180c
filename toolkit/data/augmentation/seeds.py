"""Seeds per example instead of one random stream: the draws of an example depend on its seed alone.

A batch's numbers come from arrays of seeds, so they are the same whoever makes the batch and in whatever order.
The mixing function is SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np

__all__ = ["derived", "example_seeds", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, made odd


def example_seeds(seed: int, epoch: int, positions: np.ndarray, repeats: np.ndarray | None = None) -> np.ndarray:
    """uint64 (n,): a seed for each example of an epoch.

    Args:
        seed: of the training.
        epoch: counted from 0.
        positions: int64 (n,), where the examples lie in the data set.
        repeats: int64 (n,), number of earlier occurrences of the position in this epoch; None when each comes once.
    """
    seeds = derived(derived(np.array([seed], np.uint64), epoch), positions)
    return seeds if repeats is None else derived(seeds, repeats)


def derived(seeds: np.ndarray, number: int | np.ndarray) -> np.ndarray:
    """Derived seeds: uint64 (n,) -> uint64 (n,), different for each `number` (another step, view or draw)."""
    step = np.atleast_1d(np.asarray(number)).astype(np.uint64) + np.uint64(1)
    return _mixed(seeds + step * _GOLDEN)


def uniform(seeds: np.ndarray, draw: int) -> np.ndarray:
    """Uniform draws float64 (n,) in [0, 1), the one with this number for each seed."""
    high = derived(seeds, draw) >> np.uint64(11)  # the 53 bits that a float64 holds exactly
    drawn: np.ndarray = high.astype(np.float64) * 2.0**-53
    return drawn


def _mixed(value: np.ndarray) -> np.ndarray:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = value ^ (value >> np.uint64(31))
    return mixed

"""Seeded splits into training, validation and test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from runtime.errors import InputError
from runtime.ordered import ordered
from toolkit.data.dataset import Dataset
from toolkit.tasks.registry import find_task

__all__ = ["Split", "same_inputs", "split", "three_way"]


@dataclass(frozen=True)
class Split:
    """Positions of a data set: int64 `train`, `validation` and `test`, each sorted, without a common one."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def split(
    data: Dataset,
    train_ratio: float = 1.0,
    seed: int = 0,
    test_ratio: float = 0.0,
    *,
    groups: np.ndarray | None = None,
) -> Split:
    """Split by `train_ratio`; class by class where there are classes, so that each keeps its share.

    Args:
        data: the data set.
        train_ratio: share of the training part, above 0 and at most 1; 1 leaves nothing for validation.
        seed: the same seed gives the same split.
        test_ratio: share of the whole that is taken off the training part for a test, which leaves the validation as it is.
        groups: int64 (N,); examples of one number stay together, such as those of `same_inputs`.

    Raises:
        InputError: a ratio is out of range, or leaves a part empty.
    """
    for name, share in (("training", train_ratio), ("test", test_ratio)):
        if isinstance(share, bool | str) or not isinstance(share, int | float | np.number):
            raise InputError(f"The {name} share is {share!r}; a number from 0 to 1 is expected, such as 0.8.")
    if not 0 < train_ratio <= 1:
        raise InputError(f"The training share is {train_ratio}; a number above 0 and at most 1 is expected.")
    if not 0 <= test_ratio < train_ratio:
        raise InputError(f"The test share is {test_ratio}; at least 0 and less than the training share is expected.")
    everything = np.arange(len(data), dtype=np.int64)
    if train_ratio == 1 and not test_ratio:
        return Split(everything, everything[:0])
    train, test, validation = _cut(data, (train_ratio - test_ratio, train_ratio), seed, groups)
    for part, share, name in (
        (train, train_ratio, "training"),
        (validation, 1 - train_ratio, "validation"),
        (test, test_ratio, "test"),
    ):
        if share > 0 and not len(part):
            raise InputError(
                f"A {name} share of {share:.3g} of {len(data)} examples leaves one part empty. Use another share."
            )
    return Split(train, validation, test)


def three_way(
    data: Dataset,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    *,
    groups: np.ndarray | None = None,
) -> Split:
    """Split into training, validation and test, as `split` does.

    Args:
        data: the data set.
        shares: of training, validation and test, together 1; that of validation or test may be 0.
        seed, groups: as for `split`.

    Raises:
        InputError: the shares are out of range, or leave a part empty that should not be.
    """
    given = tuple(ordered(shares, "shares", "a list of three numbers", InputError))
    fits = len(given) == 3 and all(isinstance(share, int | float) and 0 <= share <= 1 for share in given)
    if not fits or given[0] == 0 or not math.isclose(sum(given), 1, abs_tol=1e-6):
        raise InputError(
            f"The shares of training, validation and test are {given}; three numbers from 0 to 1 that add up to 1, the first "
            f"above 0, are expected."
        )
    train, validation, test = given
    return split(data, 1.0 if not validation else train + test, seed, test, groups=groups)


def same_inputs(data: Dataset) -> np.ndarray:
    """Group numbers int64 (N,), the same for equal inputs, so that a split can keep duplicates in one part.

    An example in both parts is evaluated as if it were new, although it was trained on.

    Raises:
        InputError: the inputs are not in memory.
    """
    raw = data.inputs.raw()
    if raw is None or len(raw) != len(data):
        raise InputError("The inputs are not in memory, so they cannot be compared. Split without groups.")
    rows = np.ascontiguousarray(raw).reshape(len(raw), -1)
    lines = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    return np.unique(lines, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _cut(data: Dataset, ends: Sequence[float], seed: int, groups: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Positions cut at these shares of the whole -> one sorted part more than there are ends."""
    counts = [round(end * len(data)) for end in ends]
    if groups is None:
        order = _ranked(find_task(data.task).strata(data), np.ones(len(data), np.int64), seed)
        return tuple(np.sort(part) for part in np.split(order, counts))
    _, first, index, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if len(index) != len(data):
        raise InputError(f"The groups are {len(index)}; one for each of the {len(data)} examples is expected.")
    # whole groups are ranked, each by the class of its first example, and cut where as many examples are reached
    order = _ranked(find_task(data.task).strata(data)[first], sizes, seed)
    reached = np.cumsum(sizes[order])
    part_of_group = np.empty(len(order), np.int64)
    part_of_group[order] = np.searchsorted(counts, reached, side="left")
    part = part_of_group[index.reshape(-1)]
    return tuple(np.flatnonzero(part == number).astype(np.int64) for number in range(len(ends) + 1))


def _ranked(strata: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    """An order of all positions in which each stratum is spread evenly, so that a cut anywhere cuts every stratum alike.

    Each stratum is shuffled; its members get evenly spaced ranks by their sizes.
    """
    random = np.random.default_rng(seed)
    ranks = np.empty(len(strata))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        offset = random.random()
        shuffled = random.permutation(members)
        before = np.cumsum(sizes[shuffled]) - sizes[shuffled]
        ranks[shuffled] = (before + offset) / sizes[shuffled].sum()
    return np.argsort(ranks, kind="stable")

"""Labels as users give them -> arrays and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError, suggest
from toolkit.tasks.given_names import place_of_each

__all__ = [
    "as_array",
    "column_names",
    "columns_by_name",
    "columns_in_order",
    "distinct_rows",
    "label_array",
    "other_names",
    "places_of",
    "texts_of_bytes",
    "unfit_labels",
]


def as_array(y: Any) -> np.ndarray:
    """Any nesting of rows -> an array. Raises InputError where the rows differ in length."""
    try:
        values = np.asarray(y)
    except ValueError as error:
        raise InputError("The labels are ragged: their rows differ in length. Give rows of one length.") from error
    return texts_of_bytes(values)


def texts_of_bytes(values: np.ndarray) -> np.ndarray:
    """Names in bytes, as HDF5 and ARFF files hold them -> names in text; anything else as it is. Raises InputError for no UTF-8."""
    in_objects = values.dtype.kind == "O" and any(isinstance(value, bytes) for value in values.reshape(-1).tolist())
    if values.dtype.kind != "S" and not in_objects:
        return values
    try:
        texts = [value.decode() if isinstance(value, bytes) else value for value in values.reshape(-1).tolist()]
    except UnicodeDecodeError as error:
        raise InputError(f"A label in bytes is no text in UTF-8: {error}. Decode the labels.") from error
    found = np.empty(len(texts), object)
    found[:] = texts
    return (found if in_objects else np.array(texts)).reshape(values.shape)


def label_array(y: Any) -> np.ndarray:
    """Rows -> an array (N, ...). Raises InputError for ragged rows and for a single value."""
    targets = as_array(y)
    if targets.ndim == 0:
        raise InputError(f"The labels are {y!r}; one for each input is expected.")
    return targets


def column_names(labels: Sequence[str] | None, columns: int, what: str) -> tuple[str, ...]:
    """One class name per column of the labels; None numbers them. Raises InputError for another number of names."""
    names = tuple(map(str, labels)) if labels else tuple(map(str, range(columns)))
    if len(names) != columns:
        raise InputError(f"{len(names)} class names were given; the {what} have {columns} columns.")
    return names


def columns_in_order(
    columns: Sequence[str], labels: Sequence[str] | None, place: str
) -> tuple[list[int], tuple[str, ...]]:
    """Label columns of a table and the names given for them -> (positions of the columns in the order of the names; the names).

    Raises:
        InputError: some of the names are columns and others are not, or there are more or fewer (`place_of_each`).
    """
    if labels is None:
        return list(range(len(columns))), tuple(columns)
    names = tuple(map(str, labels))
    has = f"{place} has {len(columns)} label columns: {', '.join(columns)}"
    places = place_of_each(columns, names, f"{len(names)} names were given ({', '.join(names)})", has)
    if len(names) != len(columns):
        raise InputError(f"{len(names)} names were given; {has}.")
    return np.argsort(places).tolist(), names


def places_of(names: Sequence[str], wanted: Sequence[str], place: str) -> np.ndarray:
    """Position of each name among the wanted ones, int64 (K,). Raises InputError for a name that is not among them."""
    positions = {name: index for index, name in enumerate(wanted)}
    if any(name not in positions for name in names):
        raise other_names(names, wanted, place)
    return np.array([positions[name] for name in names], np.int64)


def columns_by_name(targets: np.ndarray, names: Sequence[str], wanted: Sequence[str], place: str) -> np.ndarray:
    """Targets (N, K), a column a name -> with the columns in the order `wanted`. Raises InputError where they are not the same names."""
    places = places_of(names, wanted, place)
    if len(names) != len(wanted):
        raise other_names(names, wanted, place)
    return np.ascontiguousarray(targets[:, np.argsort(places)])


def other_names(names: Sequence[str], wanted: Sequence[str], place: str) -> InputError:
    """InputError of classes or values that are not those wanted."""
    unknown = [name for name in names if name not in wanted]
    which = f"; {unknown[0]!r} is not among them." + suggest(unknown[0], wanted) if unknown else "."
    return InputError(
        f"{place} has {', '.join(names)}; {', '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} expected{which}"
    )


def distinct_rows(targets: np.ndarray) -> np.ndarray:
    """Targets (N, ...) -> numbers int64 (N,), the same for equal targets."""
    return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)


def unfit_labels(values: np.ndarray, place: Path, expected: str, task: str) -> InputError:
    """InputError of an array of labels from outside that is not what the task takes."""
    return InputError(
        f"The labels in {place} are {values.dtype} of shape {values.shape}; {expected} are expected for {task}."
    )

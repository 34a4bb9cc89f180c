"""Validation of an index's inputs: ids, metadata, vectors and queries, before any engine sees them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.errors import VectorIndexError
from runtime.index.where import Field, fields_of

__all__ = [
    "Block",
    "blocks",
    "checked_count",
    "checked_ids",
    "checked_metadata",
    "checked_queries",
    "checked_vectors",
    "facts_json",
    "row_norms",
]

_BLOCK_BYTES = 1 << 20
"""Vectors are stored, and read back, about this much at a time."""


class Block(NamedTuple):
    """Consecutive vectors as they are stored."""

    vectors: npt.NDArray[Any]  # (n, dim) little-endian, in the dtype of the index
    norms: npt.NDArray[np.float64]  # (n,) Euclidean lengths of those


def checked_ids(ids: Sequence[str], unique: bool = False) -> list[str]:
    """Validate ids; returns them as a list.

    Raises:
        VectorIndexError: not a sequence of non-empty texts, or, with `unique`, a duplicate.
    """
    if isinstance(ids, str | bytes | Mapping | set | frozenset) or not hasattr(ids, "__iter__"):
        raise VectorIndexError(
            f"ids is {_short(ids)}; a list of texts is expected. For one id write [id]; a set has no order, by which ids belong to "
            f"vectors."
        )
    found = [str(one) if isinstance(one, np.str_) else one for one in ids]
    for position, one in enumerate(found):
        if not isinstance(one, str) or not one:
            raise VectorIndexError(
                f"ids[{position}] is {_short(one)}; every id is a non-empty text. Use str() on numbers and paths."
            )
        try:
            one.encode()
        except UnicodeEncodeError:
            raise VectorIndexError(
                f"ids[{position}] is {one!r}, which cannot be written as UTF-8. Rename the file it was made from, "
                "or give it another id."
            ) from None
    if unique and len(set(found)) < len(found):
        seen: set[str] = set()
        twice = next(one for one in found if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise VectorIndexError(
            f"the id {_short(twice)} is given twice in one call; which vector is meant? Give it once."
        )
    return found


def checked_metadata(
    metadata: Sequence[Mapping[str, Any]] | None, ids: Sequence[str]
) -> tuple[list[str], list[list[Field]]]:
    """Validate metadata; returns each id's metadata as JSON text, and its filterable fields.

    Raises:
        VectorIndexError: not one mapping for each id, or one that JSON cannot hold.
    """
    if metadata is None:
        return ["{}"] * len(ids), [[]] * len(ids)
    if isinstance(metadata, str | bytes | Mapping | set | frozenset) or not hasattr(metadata, "__iter__"):
        raise VectorIndexError(f"metadata is {_short(metadata)}; a list with one mapping for each id is expected.")
    found = list(metadata)
    if len(found) != len(ids):
        raise VectorIndexError(
            f"metadata has {len(found)} entries for {len(ids)} ids; one mapping for each id is expected."
        )
    texts = [facts_json(one, f"the metadata of id {_short(name)}") for one, name in zip(found, ids, strict=True)]
    return texts, [fields_of(one) for one in found]


def facts_json(facts: Mapping[str, Any] | None, what: str) -> str:
    """Serialise a mapping as JSON text; NumPy numbers become plain ones.

    Raises:
        VectorIndexError: not a mapping from text to what JSON can hold.
    """
    if facts is None:
        return "{}"
    if not isinstance(facts, Mapping) or not all(isinstance(name, str) for name in facts):
        raise VectorIndexError(f"{what} is {_short(facts)}; a mapping from field names, which are text, is expected.")
    try:
        text = _ENCODER.encode(dict(facts))
        text.encode()
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in facts.values()):
            raise ValueError("an integer of more than 64 bits")
    except (TypeError, ValueError, RecursionError) as error:
        raise VectorIndexError(
            f"{what} cannot be kept as JSON: {error}. Use text, finite numbers, true/false, null, and lists or mappings of these."
        ) from error
    return text


def checked_vectors(vectors: npt.ArrayLike, ids: Sequence[str], dim: int) -> npt.NDArray[Any]:
    """Validate vectors; returns an (N, dim) array of numbers, one row per id.

    Raises:
        VectorIndexError: another shape, or not numbers.
    """
    array = _numbers(vectors, "vectors")
    if len(ids) == 0 and array.size == 0:
        return np.empty((0, dim), np.float32)
    if array.shape != (len(ids), dim):
        raise VectorIndexError(
            f"vectors has shape {array.shape}; with {len(ids)} ids and an index of {dim} elements a vector, "
            f"({len(ids)}, {dim}) is expected. Use the model that the index was made with."
        )
    return array


def blocks(vectors: npt.NDArray[Any], ids: Sequence[str], dtype: str, metric: str) -> Iterator[Block]:
    """Cut (N, dim) vectors into blocks as they are stored.

    Raises:
        VectorIndexError: NaN or infinity; a value beyond the dtype; a zero vector for cosine. Names the id.
    """
    stored_dtype = np.dtype(dtype).newbyteorder("<")
    step = max(1, _BLOCK_BYTES // (vectors.shape[1] * stored_dtype.itemsize))
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        _refuse(~np.isfinite(part).all(axis=1), ids[start:], "holds NaN or infinity; finite numbers are expected")
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(part, dtype=stored_dtype)
        _refuse(~np.isfinite(stored).all(axis=1), ids[start:], f"holds a number too large for {dtype}")
        norms = row_norms(stored)
        if metric == "cosine":
            _refuse(norms == 0.0, ids[start:], f"is zero in {dtype}; cosine compares directions, and it has none")
        yield Block(stored, norms)


def checked_queries(queries: npt.ArrayLike, dim: int, metric: str) -> tuple[npt.NDArray[np.float64], bool]:
    """Validate queries; returns (Q, dim) float64 and is_single, True for a (dim,) vector.

    Raises:
        VectorIndexError: another shape, not numbers, NaN, infinity, beyond float32, or a zero vector for cosine.
    """
    array = _numbers(queries, "queries")
    single = array.ndim == 1
    if array.ndim not in (1, 2) or array.shape[-1] != dim:
        raise VectorIndexError(
            f"queries has shape {array.shape}; the index holds vectors of {dim} elements, so (Q, {dim}) or ({dim},) is "
            "expected. Use the model that the index was made with."
        )
    rows = np.atleast_2d(array).astype(np.float64)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(rows) <= np.finfo(np.float32).max).all(axis=1)
    why = "holds NaN, infinity or a number too large for float32"
    if not wrong.any() and metric == "cosine":
        wrong, why = row_norms(rows) == 0.0, "is zero; cosine compares directions, and it has none"
    if wrong.any():
        place = "the query" if single else f"query {int(np.argmax(wrong))}"
        raise VectorIndexError(f"{place} {why}. Look at what made it, or leave it out.")
    return rows, single


def checked_count(k: int) -> int:
    """Validate `k`, a whole number of at least 1.

    Raises:
        VectorIndexError: `k` is not.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise VectorIndexError(f"k is {_short(k)}; a whole number of at least 1 is expected.")
    return int(k)


def row_norms(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Euclidean length of each row, (n, dim) -> (n,) float64."""
    wide = rows.astype(np.float64)
    norms: npt.NDArray[np.float64] = np.sqrt((wide * wide).sum(axis=1))
    return norms


def _numbers(given: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise VectorIndexError(f"{name} is not an array of numbers: {error}. Give rows of equal length.") from error
    if array.dtype.kind not in "uif":
        raise VectorIndexError(f"{name} has dtype {array.dtype}; an array of real numbers is expected.")
    return array


def _refuse(wrong: npt.NDArray[np.bool_], ids: Sequence[str], why: str) -> None:
    if wrong.any():
        name = ids[int(np.argmax(wrong))]
        raise VectorIndexError(
            f"the vector of id {_short(name)} {why}. Nothing was added: look at what made it, or leave it out."
        )


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        plain = value.item()
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError(f"{plain} is not a finite number")
        return plain
    raise TypeError(f"{_short(value)} of type {type(value).__name__}")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

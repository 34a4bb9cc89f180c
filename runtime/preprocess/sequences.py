"""Sequence pre-processing: sequences of different lengths -> scaled float32 rows of one length; and NumPy's files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.card.sequence_input import SequenceInput
from runtime.errors import InputError
from runtime.regular_file import require_file

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["prepare_sequences", "read_arrays", "split_steps"]


def prepare_sequences(sequences: Sequence[npt.ArrayLike], card: SequenceInput) -> npt.NDArray[np.float32]:
    """Prepare N sequences (L_i, features) -> float32 (N, card.length, features): scaled, cut or padded at the end.

    A sequence (L_i,) counts as one of a single feature.

    Raises:
        InputError: a sequence is empty, has another number of features, or holds what is not a finite number.
    """
    rows = np.full((len(sequences), card.length, card.features), np.nan if card.fill == "nan" else 0, np.float32)
    for number, sequence in enumerate(sequences):
        steps = _steps(sequence, card.features, f"Sequence {number + 1}")[: card.length]
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = steps - np.array(card.mean) if card.mean else steps
            scaled = scaled / np.array(card.std) if card.std else scaled
            rows[number, : len(steps)] = scaled
        if not np.isfinite(rows[number, : len(steps)]).all():
            step, feature = map(int, np.argwhere(~np.isfinite(rows[number]))[0])
            raise InputError(
                f"Sequence {number + 1} holds a number at step {step + 1}, feature {feature + 1}, that once scaled is none of "
                f"float32. Mend the value, or remove the sequence."
            )
    return rows


def _steps(sequence: npt.ArrayLike, features: int, what: str) -> npt.NDArray[np.float64]:
    """Convert one sequence -> float64 (L, features)."""
    try:
        steps = np.asarray(sequence, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} cannot be read as numbers: {error}. Give an array (steps, {features}).") from error
    if steps.ndim == 1 and features == 1:
        steps = steps[:, None]
    if steps.ndim != 2 or steps.shape[1] != features or len(steps) == 0:
        raise InputError(f"{what} has the shape {steps.shape}; (steps, {features}) with at least one step is expected.")
    if not np.isfinite(steps).all():
        step, feature = map(int, np.argwhere(~np.isfinite(steps))[0])
        raise InputError(
            f"{what} holds {steps[step, feature]} at step {step + 1}, feature {feature + 1}; a finite number is expected. "
            f"Mend the value, or remove the sequence."
        )
    return steps


def read_arrays(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """Read an NPZ or NPY file: name -> array; an NPY file's is called ``data``. Nothing in it is executed.

    Raises:
        InputError: the file is missing or damaged, or holds pickled objects.
    """
    source = require_file(path)
    kind = "NPY" if source.suffix.lower() == ".npy" else "NPZ"
    try:
        # opened here: NumPy leaves a file that is no archive open
        with source.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return {"data": content}
            with content as archive:
                return {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged file fails in many ways inside zipfile, zlib and NumPy
        if "allow_pickle" in str(error) and _looks_pickled(source):
            raise InputError(
                f"{source} holds pickled Python objects, which could run code when opened. Save plain arrays instead: "
                f"np.savez(file, data=x, label=y) with numbers or text of a fixed dtype; a dictionary as text: "
                f"word2idx=json.dumps(word2idx)."
            ) from error
        reason = "it is none" if "allow_pickle" in str(error) else str(error)
        raise InputError(
            f"{source} cannot be read as an {kind} file: {reason}. Save it with np.savez(file, data=x, label=y)."
        ) from error


def _looks_pickled(path: Path) -> bool:
    """Test for a pickle: neither an archive nor an array; NumPy treats every unknown file as one."""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x93N", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def split_steps(data: npt.NDArray[Any], lengths: npt.NDArray[Any], source: str) -> list[npt.NDArray[Any]]:
    """Split concatenated sequences (total, features) by their lengths (N,) -> N arrays (L_i, features).

    Raises:
        InputError: the lengths are not whole numbers of at least 1 that add up to the number of steps.
    """
    whole = lengths.ndim == 1 and lengths.dtype.kind in "iu" and lengths.size and int(lengths.min()) >= 1
    if not whole or data.ndim == 0 or int(lengths.sum()) != len(data):
        total = f"add up to {int(lengths.sum())}" if whole else f"are {lengths.dtype} of shape {lengths.shape}"
        raise InputError(
            f"{source}: the lengths {total}; whole numbers of at least 1 that add up to the {len(data) if data.ndim else 0} "
            f"steps of the data are expected."
        )
    return np.split(data, np.cumsum(lengths)[:-1])

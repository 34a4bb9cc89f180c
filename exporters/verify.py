"""Torch against the file on disk, run as it will be run in the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exporters.subject import Subject
from runtime.errors import CheckFailed, InputError, ModelFileError
from runtime.predict import THRESHOLD, class_axis
from runtime.session import Session

__all__ = ["ABSOLUTE", "RELATIVE", "Parity", "compare"]

# A difference passes up to ABSOLUTE + RELATIVE * (greatest magnitude of that output).
ABSOLUTE = 1e-5
RELATIVE = 1e-5


@dataclass(frozen=True)
class Parity:
    """What a comparison measured.

    Attributes:
        worst: output -> worst absolute difference.
        allowed: output -> what was allowed for it.
        batch_sizes: the sizes that were run.
        samples: how many different inputs.
        labels_agree: share of inputs (positions, labels) with the same answer, or None where there are no probabilities.
    """

    worst: Mapping[str, float]
    allowed: Mapping[str, float]
    batch_sizes: tuple[int, ...]
    samples: int
    labels_agree: float | None

    @property
    def worst_difference(self) -> float:
        """The worst of all outputs."""
        return max(self.worst.values(), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for the card and JSON."""
        return {
            "worst": dict(self.worst),
            "allowed": dict(self.allowed),
            "batch_sizes": list(self.batch_sizes),
            "samples": self.samples,
            "labels_agree": self.labels_agree,
        }


def compare(
    subject: Subject,
    path: Path,
    batch_sizes: tuple[int, ...],
    *,
    absolute: float = ABSOLUTE,
    relative: float = RELATIVE,
    outputs: tuple[str, ...] | None = None,
) -> Parity:
    """Run torch and the file on the subject's samples at every batch size, and compare every output.

    Args:
        subject: the network and its samples.
        path: the file.
        batch_sizes: how many rows at a time; all samples are covered at each size.
        absolute, relative: the tolerance, see `ABSOLUTE` and `RELATIVE`.
        outputs: the outputs to compare; None compares all of the subject's.

    Raises:
        CheckFailed: the file does not run on the samples, shapes differ, or a difference is above the tolerance; names the
            output, the difference and where.
        ModelFileError: the file cannot be opened.
    """
    session = Session(path, "cpu")
    names = subject.output_names
    wanted = names if outputs is None else [name for name in names if name in outputs]
    _same_interface(session, subject, wanted)
    worst = dict.fromkeys(wanted, 0.0)
    allowed = dict.fromkeys(wanted, absolute)
    agree: list[np.ndarray] = []
    rows = len(subject.samples[0])
    for size in batch_sizes:
        for start in range(0, max(rows, size), size):
            # the last batch wraps around, so that every batch has this size
            positions = torch.arange(start, start + size) % rows
            inputs = tuple(sample[positions] for sample in subject.samples)
            reference = _torch(subject, inputs)
            feeds = {name: tensor.numpy() for name, tensor in zip(subject.input_names, inputs, strict=True)}
            try:
                found = session.run(feeds, wanted)
            except (InputError, ModelFileError) as error:
                raise CheckFailed(f"The file does not run at batch size {size}: {error}") from error
            for name in wanted:
                difference, tolerance = _difference(name, reference[name], found[name], size, absolute, relative)
                worst[name] = max(worst[name], difference)
                allowed[name] = max(allowed[name], tolerance)
                if subject.card.output("probabilities") == name:
                    agree.append(_same_labels(subject, reference[name], found[name]))
    share = float(np.concatenate(agree).mean()) if agree else None
    return Parity(worst, allowed, batch_sizes, rows, share)


def _same_labels(subject: Subject, reference: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Where both say the same: of each row or position the most probable class, of several labels each one's answer."""
    if subject.card.task == "multilabel":
        same: np.ndarray = (reference > THRESHOLD) == (found > THRESHOLD)
    else:
        axis = class_axis(reference.ndim)
        same = reference.argmax(axis) == found.argmax(axis)
    return same.reshape(-1)


def _torch(subject: Subject, inputs: tuple[torch.Tensor, ...]) -> dict[str, np.ndarray]:
    if any(module.training for module in subject.module.modules()):
        subject.module.eval()
    with torch.no_grad():
        results = subject.module(*inputs)
    return {name: _array(name, result) for name, result in zip(subject.output_names, results, strict=True)}


def _array(name: str, result: Any) -> np.ndarray:
    try:
        array: np.ndarray = result.cpu().numpy()
        return array
    except (AttributeError, TypeError) as error:
        kind = result.dtype if isinstance(result, torch.Tensor) else type(result).__name__
        raise CheckFailed(
            f"The output {name!r} is a {kind}, which has no NumPy array. Return a float32 tensor."
        ) from error


def _same_interface(session: Session, subject: Subject, wanted: list[str]) -> None:
    inputs = [tensor.name for tensor in session.inputs]
    if inputs != subject.input_names:
        raise CheckFailed(f"The file takes the inputs {inputs}; the network takes {subject.input_names}.")
    outputs = [tensor.name for tensor in session.outputs]
    missing = [name for name in wanted if name not in outputs]
    if missing:
        raise CheckFailed(f"The file has the outputs {outputs}; {missing} are missing.")


def _difference(
    name: str, reference: np.ndarray, found: np.ndarray, size: int, absolute: float, relative: float
) -> tuple[float, float]:
    """(worst absolute difference, what is allowed). Raises CheckFailed above it."""
    if reference.shape != found.shape or reference.dtype != found.dtype:
        raise CheckFailed(
            f"The output {name!r} at batch size {size} is {found.dtype} {found.shape} in the file, but {reference.dtype} "
            f"{reference.shape} in torch."
        )
    if reference.size == 0:
        return 0.0, absolute
    exact, got = reference.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(exact)
    if not np.array_equal(finite, np.isfinite(got)) or not np.array_equal(exact[~finite], got[~finite], equal_nan=True):
        raise CheckFailed(
            f"The output {name!r} at batch size {size} is NaN or infinite in one of torch and the file only."
        )
    difference = np.abs(np.where(finite, exact - got, 0.0))
    tolerance = absolute + relative * float(np.abs(exact[finite]).max(initial=0.0))
    worst = float(difference.max())
    if not worst <= tolerance:
        where = tuple(int(axis) for axis in np.unravel_index(difference.argmax(), difference.shape))
        raise CheckFailed(
            f"The output {name!r} differs from torch by {worst:.3g} at batch size {size}, position {where} "
            f"(torch {exact[where]:.6g}, the file {got[where]:.6g}); up to {tolerance:.3g} is allowed."
        )
    return worst, tolerance

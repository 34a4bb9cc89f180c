"""Verification: the file on disk, run by the runtime, against torch."""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exporters.outputs.detection import PaddedDetections
from exporters.outputs.detection_order import same_order
from exporters.settings import STRICT, Tolerance
from exporters.subject.lengths import row_count
from exporters.subject.subject import Subject
from exporters.verifying.probes import Probe
from exporters.verifying.units import PLAIN, Units, output_units
from runtime.errors import CheckFailed, InputError, ModelFileError
from runtime.results import find_decoder
from runtime.session import Session

__all__ = ["Parity", "References", "compare"]

# Roundings to float16, each of half a unit in the last place, by which two right results may differ.
_HALF_ROUNDINGS = 4
# torch's own rounding adds at most this many times what is allowed.
_MOST_ROUNDING = 10.0
# Of a network that is run in float64 where it differs.
_MOST_PARAMETERS = 50_000_000


@dataclass(frozen=True)
class Parity:
    """Parity: measured difference between the file and torch.

    Attributes:
        worst: output -> worst absolute difference.
        allowed: output -> greatest allowed difference, or the root-mean-square limit where one is set.
        batch_sizes: the sizes that were run.
        shapes: every shape that was run, in words.
        samples: number of different inputs.
        labels_agree: share of equal labels over all inputs (positions, labels), or None without probabilities.
        root_mean_square: output -> |found - torch| / |torch|, about the mean and by the deviation of targets that were scaled.
    """

    worst: Mapping[str, float]
    allowed: Mapping[str, float]
    batch_sizes: tuple[int, ...]
    shapes: tuple[str, ...]
    samples: int
    labels_agree: float | None
    root_mean_square: Mapping[str, float]

    @property
    def worst_difference(self) -> float:
        """Worst absolute difference over all outputs."""
        return max(self.worst.values(), default=0.0)

    @property
    def shapes_text(self) -> str:
        """Verified shapes in words, plain batch sizes put together: "batch sizes 1, 2, 5; batch size 2, length 8"."""
        plain = [shape.removeprefix("batch size ") for shape in self.shapes if shape.startswith("batch size ")]
        sizes = [size for size in plain if size.isdecimal()]
        others = [shape for shape in self.shapes if shape.removeprefix("batch size ") not in sizes]
        first = [f"batch size{'s' if len(sizes) > 1 else ''} {', '.join(sizes)}"] if sizes else []
        return "; ".join(first + others)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for the card and JSON."""
        return {
            "worst": dict(self.worst),
            "allowed": dict(self.allowed),
            "batch_sizes": list(self.batch_sizes),
            "shapes": list(self.shapes),
            "samples": self.samples,
            "labels_agree": self.labels_agree,
            "root_mean_square": dict(self.root_mean_square),
        }


class References:
    """Reference outputs of torch on every probe, computed once, on first use.

    Args:
        subject: the network.
        probes: the inputs to run.
    """

    def __init__(self, subject: Subject, probes: Sequence[Probe]) -> None:
        self.subject = subject
        self.probes = tuple(probes)
        self._found: list[dict[str, np.ndarray]] = []
        self._weights: int | None = None

    def __iter__(self) -> Iterator[tuple[Probe, dict[str, np.ndarray]]]:
        """Iterate over (probe, output name -> array)."""
        for position, probe in enumerate(self.probes):
            if position == len(self._found):
                if self._weights is None:
                    self._weights = _fingerprint(self.subject.module)
                self._found.append(_torch(self.subject, probe.inputs, probe.label))
            yield probe, self._found[position]

    def of(self, subject: Subject) -> References:
        """The same outputs, of the same network with another card."""
        again = References(subject, self.probes)
        again._found, again._weights = self._found, self._weights
        return again

    def recomputed(self) -> References:
        """Recompute with torch. If the weights' checksum is unchanged and the first probe reproduces exactly, reuse the
        other cached outputs.
        """
        again = References(self.subject, self.probes)
        if self._found and self._weights == _fingerprint(self.subject.module):
            first = _torch(self.subject, self.probes[0].inputs, self.probes[0].label)
            if all(np.array_equal(first[name], found, equal_nan=True) for name, found in self._found[0].items()):
                again._found, again._weights = self._found, self._weights
        return again


def _fingerprint(module: torch.nn.Module) -> int:
    """Checksum (CRC-32) of all parameters and buffers, independent of how they may have been changed."""
    total = 0
    for tensor in (*module.parameters(), *module.buffers()):
        content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
        total = zlib.crc32(content.numpy().data, total)
    return total


def compare(
    references: References,
    path: Path,
    tolerance: Tolerance = STRICT,
    *,
    outputs: tuple[str, ...] | None = None,
    session: Session | None = None,
) -> Parity:
    """Run the file on every probe, and compare every output with torch's.

    Args:
        references: the network, the probes, and torch's outputs.
        path: the file.
        tolerance: allowed difference.
        outputs: the outputs to compare; None compares all of the subject's.
        session: the file, where it is open already.

    Raises:
        CheckFailed: the file does not run on the samples, shapes differ, or a difference is above the tolerance; names the
            output, the difference and where.
        ModelFileError: the file cannot be opened.
    """
    subject = references.subject
    session = session or Session(path, "cpu")
    names = subject.output_names
    wanted = names if outputs is None else [name for name in names if name in outputs]
    if references.probes and references.probes[0].feeds is None:
        _same_inputs(session, subject)
    _has_outputs(session, wanted)
    units = output_units(subject.card)
    measured = {name: _Measured(name, tolerance, units.get(name, PLAIN)) for name in wanted}
    agree: list[np.ndarray] = []
    decoder = find_decoder(subject.card.task)
    # labels are compared where the file gives them, not where they could be read from logits
    logits = {output.name for output in subject.card.outputs if output.role == "logits"}
    answers = [name for name in wanted if name not in logits]
    for probe, reference in references:
        feeds = probe.feeds
        if feeds is None:
            feeds = {name: tensor.numpy() for name, tensor in zip(subject.input_names, probe.inputs, strict=True)}
        try:
            found: Mapping[str, np.ndarray] = session.run(feeds, wanted)
        except (InputError, ModelFileError) as error:
            raise CheckFailed(f"The file does not run at {probe.label}: {error}") from error
        if isinstance(subject.module.module, PaddedDetections):
            found = same_order(reference, found)
        found = decoder.align(reference, found)
        try:
            for name in wanted:
                measured[name].add(probe.label, reference[name], found[name])
        except CheckFailed:
            finer = _in_double(subject, probe) if tolerance.root_mean_square is None else None
            if finer is None:
                raise
            for name in wanted:
                measured[name].add(probe.label, reference[name], found[name], decoder.align(reference, finer)[name])
        one, other = ({name: arrays[name] for name in answers} for arrays in (reference, found))
        same = decoder.agreement(one, other, subject.card)
        if same is not None:
            agree.append(same.reshape(-1))
    share = float(np.concatenate(agree).mean()) if agree else None
    for entry in measured.values():
        entry.check()
    if tolerance.min_agreement is not None and share is not None and share < tolerance.min_agreement:
        raise CheckFailed(
            f"The file and torch give the same label to {share:.2%} of the inputs; at least {tolerance.min_agreement:.2%} is asked for."
        )
    return Parity(
        {name: entry.worst for name, entry in measured.items()},
        {name: entry.allowed for name, entry in measured.items()},
        tuple(sorted({rows for probe in references.probes if (rows := row_count(subject, probe.inputs)) is not None})),
        tuple(dict.fromkeys(probe.label for probe in references.probes)),
        row_count(subject) or 1,
        share,
        {name: entry.root_mean_square for name, entry in measured.items()},
    )


class _Measured:
    """Accumulator of the differences of one output."""

    def __init__(self, name: str, tolerance: Tolerance, units: Units = PLAIN) -> None:
        self.name, self.units = name, units
        self.tolerance = tolerance
        self.worst = 0.0
        self.allowed = tolerance.absolute if tolerance.root_mean_square is None else tolerance.root_mean_square
        self._squares = [0.0, 0.0]

    @property
    def root_mean_square(self) -> float:
        """|found - torch| / |torch| over all that was added."""
        difference, reference = (math.sqrt(value) for value in self._squares)
        return difference / reference if reference else (math.inf if difference else 0.0)

    def add(self, where: str, reference: np.ndarray, found: np.ndarray, finer: np.ndarray | None = None) -> None:
        """Add one run's arrays; `finer` is torch's output in float64, by which torch's own rounding is known.

        Raises CheckFailed for a number beyond the tolerance, another shape or dtype.
        """
        single = self.tolerance.root_mean_square is None
        exact, difference = _differences(self.name, where, reference, found)
        if difference.size == 0:
            return
        allowed = self.units.allowed(exact, self.tolerance)
        if reference.dtype == np.float16:
            allowed = np.maximum(allowed, _HALF_ROUNDINGS * float(np.finfo(np.float16).eps) * np.abs(exact).max())
        if finer is not None:
            own = np.abs(exact - np.where(np.isfinite(finer), finer, exact)).max()
            allowed = allowed + np.minimum(2 * own, _MOST_ROUNDING * allowed)
        excess = difference - allowed
        if single and not excess.max() <= 0:
            place = tuple(int(axis) for axis in np.unravel_index(excess.argmax(), difference.shape))
            limit = float(np.broadcast_to(allowed, difference.shape)[place])
            raise CheckFailed(
                f"The output {self.name!r} differs from torch by {difference[place]:.3g} at {where}, position {place} "
                f"(torch {reference[place]:.6g}, the file {found[place]:.6g}); up to {limit:.3g} is allowed."
            )
        self.worst = max(self.worst, float(difference.max()))
        self.allowed = max(self.allowed, float(allowed.max())) if single else self.allowed
        for position, square in enumerate(self.units.squares(exact, difference)):
            self._squares[position] += square

    def check(self) -> None:
        """Raise CheckFailed where the root mean square over all runs exceeds its limit."""
        limit = self.tolerance.root_mean_square
        if limit is not None and not self.root_mean_square <= limit:
            raise CheckFailed(
                f"The output {self.name!r} differs from torch by {self.root_mean_square:.3g} of its length (root mean square); up to "
                f"{limit:.3g} is allowed."
            )


def _torch(subject: Subject, inputs: tuple[torch.Tensor, ...], where: str) -> dict[str, np.ndarray]:
    """Run torch: output name -> array. Raises CheckFailed where it fails on these rows, which come from the example."""
    if any(module.training for module in subject.module.modules()):
        subject.module.eval()
    try:
        with torch.no_grad():
            results = subject.module(*inputs)
    except Exception as error:  # whatever a module raises
        raise CheckFailed(
            f"torch itself does not run at {where}, with rows of the example in another batch "
            f"({' '.join(str(error).split())[:160] or type(error).__name__}). Give an example of which each row may stand in any "
            f"batch, or export with a fixed batch (--static; dynamic=() in Python)."
        ) from error
    return {name: _array(name, result) for name, result in zip(subject.output_names, results, strict=True)}


def _in_double(subject: Subject, probe: Probe) -> dict[str, np.ndarray] | None:
    """Run torch in float64: output name -> array; None where the network is large, is not of float32, or does not run so."""
    parameters = list(subject.module.parameters())
    if sum(tensor.numel() for tensor in parameters) > _MOST_PARAMETERS or probe.feeds is not None:
        return None
    if any(tensor.is_floating_point() and tensor.dtype != torch.float32 for tensor in parameters):
        return None
    inputs = tuple(tensor.double() if tensor.dtype == torch.float32 else tensor for tensor in probe.inputs)
    try:
        with torch.no_grad():
            results = copy.deepcopy(subject.module).double()(*inputs)
        return {
            name: result.cpu().numpy().astype(np.float64)
            for name, result in zip(subject.output_names, results, strict=True)
        }
    except Exception:  # whatever a module raises that makes float32 tensors by itself
        return None


def _array(name: str, result: Any) -> np.ndarray:
    try:
        array: np.ndarray = result.cpu().numpy()
        return array
    except (AttributeError, TypeError) as error:
        kind = result.dtype if isinstance(result, torch.Tensor) else type(result).__name__
        raise CheckFailed(
            f"The output {name!r} is a {kind}, which has no NumPy array. Return a float32 tensor."
        ) from error


def _same_inputs(session: Session, subject: Subject) -> None:
    inputs = [tensor.name for tensor in session.inputs]
    if inputs != subject.input_names:
        raise CheckFailed(f"The file takes the inputs {inputs}; the network takes {subject.input_names}.")


def _has_outputs(session: Session, wanted: list[str]) -> None:
    outputs = [tensor.name for tensor in session.outputs]
    missing = [name for name in wanted if name not in outputs]
    if missing:
        raise CheckFailed(f"The file has the outputs {outputs}; {missing} are missing.")


def _differences(name: str, where: str, reference: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(torch's numbers, absolute differences), float64, 0 where equally infinite or NaN. Raises CheckFailed."""
    if reference.shape != found.shape or reference.dtype != found.dtype:
        raise CheckFailed(
            f"The output {name!r} at {where} is {found.dtype} {found.shape} in the file, but {reference.dtype} "
            f"{reference.shape} in torch."
        )
    exact, got = reference.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(exact)
    if not np.array_equal(finite, np.isfinite(got)) or not np.array_equal(exact[~finite], got[~finite], equal_nan=True):
        raise CheckFailed(f"The output {name!r} at {where} is NaN or infinite in one of torch and the file only.")
    return np.where(finite, exact, 0.0), np.abs(np.where(finite, exact - got, 0.0))

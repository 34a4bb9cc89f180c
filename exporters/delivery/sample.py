"""Sample of a delivery: a raw input as a file, its prepared arrays, and torch's outputs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exporters.inputs import kind_of
from exporters.verifying.probes import Probe
from exporters.verifying.verify import References
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Sample", "make_sample", "write_sample"]


@dataclass(frozen=True)
class Sample:
    """One input row and its expected outputs.

    Attributes:
        name, content: of the raw input file; both empty where the model takes plain arrays.
        feeds: input name -> the array that the ONNX file is given, (1, ...).
        expected: output name -> torch's output.
    """

    name: str
    content: bytes
    feeds: Mapping[str, Array]
    expected: Mapping[str, Array]


def make_sample(references: References) -> Sample:
    """Make the sample from the first verified input, from a raw file on where the card has a pre-processing."""
    subject, probe = references.subject, references.probes[0]
    feeds = probe.feeds or {name: t.numpy() for name, t in zip(subject.input_names, probe.inputs, strict=True)}
    name, content = "", b""
    cards = subject.card.inputs
    if len(cards) == 1 and len(probe.inputs) == 1:
        given = next(iter(feeds.values()))
        name, content = kind_of(cards[0]).raw_file(given[0], cards[0])
    if name and probe.feeds is None:
        try:
            row, _ = prepare(kind_of(cards[0]).read_raw(content), cards[0])
        except InputError:  # such as a text of padding only
            name, content = "", b""
        else:
            rows = np.concatenate([row[:1]] * len(probe.inputs[0]))
            probe = Probe(probe.label, (torch.from_numpy(rows),))
            feeds = {subject.input_names[0]: rows}
    [(_, expected)] = References(subject, (probe,))
    return Sample(name, content, feeds, expected)


def write_sample(sample: Sample, folder: Path) -> None:
    """Write `input.npz`, `expected.npz` and the raw file into a folder."""
    folder.mkdir()
    _write_arrays(folder / "input.npz", sample.feeds)
    _write_arrays(folder / "expected.npz", sample.expected)
    if sample.name:
        (folder / sample.name).write_bytes(sample.content)


def _write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz as `numpy.savez` does, but also for an array named "file", which that refuses."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)

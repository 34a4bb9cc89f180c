"""Sample of a delivery: a raw input as a file, its prepared arrays, and torch's outputs."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exporters.verifying.probes import Probe
from exporters.verifying.verify import References
from runtime.card import ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Sample", "make_sample", "pixels_of", "write_sample"]


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
        name, content = _raw_file(given[0], cards[0])
    if name and probe.feeds is None:
        try:
            row, _ = prepare(_read_raw(name, content), cards[0])
        except InputError:  # such as a text of padding only
            name, content = "", b""
        else:
            rows = np.concatenate([row[:1]] * len(probe.inputs[0]))
            probe = Probe(probe.label, (torch.from_numpy(rows),))
            feeds = {subject.input_names[0]: rows}
    [(_, expected)] = References(subject, (probe,))
    return Sample(name, content, feeds, expected)


def _raw_file(row: Array, card: InputCard) -> tuple[str, bytes]:
    """(file name, content) that `prepare` turns into approximately this row; ("", b"") for plain arrays."""
    if isinstance(card, ImageInput):
        from PIL import Image

        pixels = row if row.dtype == np.uint8 else pixels_of(row, card)
        buffer = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        return "picture.png", buffer.getvalue()
    if isinstance(card, TableInput):
        values = row.astype(np.float64)
        values = values * np.array(card.std or 1.0) + np.array(card.mean or 0.0)
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([card.columns, [f"{value:.9g}" for value in values]])
        return "rows.csv", text.getvalue().encode()
    if isinstance(card, TextInput):
        special = {card.padding, card.unknown}
        tokens = [card.vocabulary[index] for index in row.tolist() if index not in special]
        return "text.txt", ((" " if card.level == "word" else "").join(tokens)).encode()
    if isinstance(card, SequenceInput):
        buffer = io.BytesIO()
        used = np.flatnonzero(np.any(row != 0, axis=1))
        steps = row[: int(used[-1]) + 1 if used.size else 1].astype(np.float64)
        np.save(buffer, steps * np.array(card.std or 1.0) + np.array(card.mean or 0.0))
        return "sequence.npy", buffer.getvalue()
    return "", b""


def pixels_of(row: Array, card: ImageInput) -> npt.NDArray[np.uint8]:
    """Invert the normalisation: a prepared picture (`card.shape`) -> approximate uint8 pixels (H, W, C)."""
    channels_last = row.transpose(1, 2, 0) if card.layout == "NCHW" else row
    values = (channels_last * np.array(card.std or 1.0) + np.array(card.mean or 0.0)) / card.scale
    return np.ascontiguousarray(np.clip(np.rint(np.nan_to_num(values)), 0, 255).astype(np.uint8))


def _read_raw(name: str, content: bytes) -> Any:
    """Read a raw file's content in the form that `runtime.preprocess.inputs.prepare` takes."""
    if name == "picture.png":
        return content
    if name == "text.txt":
        return [content.decode()]
    if name == "sequence.npy":
        return [np.load(io.BytesIO(content), allow_pickle=False)]
    header, row = csv.reader(io.StringIO(content.decode()))
    del header
    return [[float(cell) for cell in row]]


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

"""Texts in an export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from exporters.inputs.kind import FolderItems, InputKind, Script
from runtime.card import TextInput
from runtime.errors import InputError
from runtime.preprocess import read_lines
from runtime.preprocess.sources import text_files
from runtime.results.script import quoted

__all__ = ["KIND", "TextKind"]

Array = np.ndarray[Any, Any]


class TextKind(InputKind[TextInput]):
    """Texts."""

    plural: ClassVar[str] = "texts"
    expected: ClassVar[str] = "a .csv or .txt file, or a folder of .txt files,"
    predicted: ClassVar[str | None] = "LINES.txt"
    file_name: ClassVar[str | None] = "lines.txt"

    def script(self, card: TextInput) -> Script:
        """As `InputKind.script`: one text per line."""
        lines = [
            "def prepare(path):",
            '    """A text file in UTF-8, one text a line."""',
            '    entry, rows = CARD["inputs"][0], []',
        ]
        special = sorted({index for index in (card.padding, card.unknown) if index is not None})
        lines += [
            f'    known = {{token: index for index, token in enumerate(entry["vocabulary"]) if index not in {special}}}',
            '    for text in filter(None, map(str.strip, Path(path).read_text(encoding="utf-8-sig").split("\\n"))):',
        ]
        lines += [f'        text = unicodedata.normalize("{card.normalization}", text)'] * (
            card.normalization != "none"
        )
        lines += ["        text = text.lower()"] * card.lowercase
        if card.strip_accents:
            lines += [
                '        marks = unicodedata.normalize("NFD", text)',
                '        kept = (mark for mark in marks if unicodedata.category(mark) != "Mn")',
                '        text = unicodedata.normalize("NFC", "".join(kept))',
            ]
        tokens = "list(text)" if card.level == "character" else 're.findall(r"\\w+|[^\\w\\s]", text)'
        look_up = "known[token]" if card.unknown is None else f"known.get(token, {card.unknown})"
        lines += [
            f"        row = [{look_up} for token in {tokens}][:{card.length}]",
            f"        rows.append(row + [{card.padding or 0}] * ({card.length} - len(row)))",
            f"    return {{{quoted(card.name)}: np.array(rows, np.int64)}}",
        ]
        imports = (["import unicodedata"] if "unicodedata" in "\n".join(lines) else []) + (
            ["import re"] if card.level == "word" else []
        )
        return Script(imports, "\n".join(lines), "LINES.txt")

    def raw_file(self, row: Array, card: TextInput) -> tuple[str, bytes]:
        """As `InputKind.raw_file`: a text file."""
        special = {card.padding, card.unknown}
        tokens = [card.vocabulary[index] for index in row.tolist() if index not in special]
        return "text.txt", ((" " if card.level == "word" else "").join(tokens)).encode()

    def read_raw(self, content: bytes) -> list[str]:
        """As `InputKind.read_raw`."""
        return [content.decode()]

    def random_rows(self, module: torch.nn.Module, card: TextInput, rows: int, random: np.random.Generator) -> Array:
        """As `InputKind.random_rows`."""
        return self.with_padding(random.integers(0, len(card.vocabulary), (rows, card.length), np.int64), card)

    def with_padding(self, rows: Array, card: TextInput) -> Array:
        """As `InputKind.with_padding`."""
        if card.padding is None or (rows == card.padding).any():
            return rows
        shorter = rows.copy()
        shorter[1::2, card.length - card.length // 3 :] = card.padding
        return shorter

    def file_items(self, place: Path) -> list[str] | None:
        """The lines of a text file."""
        return read_lines(place) if place.suffix.lower() == ".txt" else None

    def folder_items(self, place: Path, part: Literal["train", "test"], labels: Sequence[str] | None) -> FolderItems:
        """As `InputKind.folder_items`: text files, one per class, with one text per line."""
        files = text_files(place)
        if not files:
            raise InputError(f"{place} holds no .txt files; one a class, with one text a line, is expected.")
        lines = [read_lines(path) for path in files]
        names = [path.stem for path, texts in zip(files, lines, strict=True) for _ in texts]
        return FolderItems([text for texts in lines for text in texts], names, place)


KIND = TextKind()

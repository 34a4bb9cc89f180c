"""Console formatting: plain aligned tables, sizes and times in readable units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["UNSAFE", "bytes_text", "one_line", "seconds_text", "table", "without_controls", "written_lines"]

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that a terminal takes for commands, or that break, turn round or hide text: the control characters C0 and C1, line
and paragraph separators, Unicode's bidirectional controls, and tags."""


def one_line(text: str) -> str:
    r"""Text in one line that no terminal takes for commands: what is `UNSAFE` becomes an escape that can be read, such as \x1b."""
    return text if text.isprintable() else UNSAFE.sub(_escaped, text)


def written_lines(lines: Iterable[str]) -> str:
    """Join lines, each of which stays one line: a name with a line's end in it cannot forge another."""
    return "\n".join(map(one_line, lines))


def without_controls(text: str) -> str:
    """Text of several lines that no terminal takes for commands: as `one_line`, but the ends of lines and tabs stay."""
    return (
        text
        if text.isprintable()
        else UNSAFE.sub(lambda match: match[0] if match[0] in "\n\t" else _escaped(match), text)
    )


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    footer: Sequence[str] | None = None,
    right: Sequence[int] = (),
) -> str:
    """Text table, columns two spaces apart and as wide as the longest cell; those in `right` are right-aligned.

    A cell is one line (`one_line`).
    """
    cells = [[one_line(str(cell)) for cell in row] for row in (header, *rows, *([footer] if footer else []))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("─" * width for width in widths)
    body = [line(cells[0]), rule, *map(line, cells[1 : 1 + len(rows)])]
    if footer:
        body += [rule, line(cells[-1])]
    return "\n".join(body)


def bytes_text(count: float) -> str:
    """Size in bytes as text: 1234567 -> '1.2 MB' (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.95:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds_text(seconds: float) -> str:
    """A duration in the unit that reads best: '83 µs', '4.2 ms', '12.3 s', '3 min 5 s'."""
    if seconds < 999.5e-6:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.99995:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"

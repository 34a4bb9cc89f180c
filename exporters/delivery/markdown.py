"""Markdown tables, aligned so that the source is readable too."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["code", "markdown_table"]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """GitHub Markdown table with columns as wide as their longest cell; the columns numbered in `right` are right-aligned."""
    cells = [[_cell(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(w) if column in right else cell.ljust(w)
            for column, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("| " + " | ".join(parts) + " |")
    rule = ["-" * (w - 1) + ":" if column in right else "-" * w for column, w in enumerate(widths)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def code(text: object) -> str:
    """`text` as code, whatever backticks it holds."""
    plain = " ".join(str(text).split())
    return f"`` {plain} ``" if "`" in plain else f"`{plain}`"

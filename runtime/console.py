"""Console formatting: plain aligned tables, sizes and times in readable units."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["bytes_text", "seconds_text", "table"]


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    footer: Sequence[str] | None = None,
    right: Sequence[int] = (),
) -> str:
    """Text table, columns two spaces apart and as wide as the longest cell; those in `right` are right-aligned."""
    cells = [[str(cell) for cell in row] for row in (header, *rows, *([footer] if footer else []))]
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

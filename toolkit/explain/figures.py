"""Figure files: fonts for any script, colour-blind-safe colours, titles for screen readers."""

from __future__ import annotations

import functools
import io
import warnings
from pathlib import Path
from typing import Any, Literal

from runtime.console import one_line, without_controls
from runtime.errors import InputError

__all__ = ["CATEGORIES", "INK", "MISSING", "MUTED", "SEQUENTIAL", "categories", "figure_bytes", "picture_kind"]

INK, MUTED = "#222222", "#5f6368"
MISSING = "#d0d0d0"  # where a value is no number
SEQUENTIAL = "viridis"  # even steps of lightness, legible to the colour-blind and in print

# Okabe and Ito, "Color universal design", 2008; black is left to text.
CATEGORIES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#8c6d1f", "#4d4d4d")
_MARKERS = "osD^vPX*"

# Matplotlib's own font first; for other scripts, the ones that systems bring along.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
    "Noto Emoji",
)


def categories(count: int) -> list[tuple[str, str]]:
    """`count` pairs of colour and marker; the first 64 pairs are distinct."""
    return [
        (CATEGORIES[number % len(CATEGORIES)], _MARKERS[(number + number // len(CATEGORIES)) % len(_MARKERS)])
        for number in range(count)
    ]


def picture_kind(path: Path) -> Literal["png", "svg"]:
    """File kind, "png" or "svg", from a picture's suffix. Raises InputError for another suffix."""
    kinds: dict[str, Literal["png", "svg"]] = {".png": "png", ".svg": "svg"}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"The picture {path} was asked for; a name that ends in .svg or .png is expected.")
    return kind


def figure_bytes(figure: Any, kind: Literal["png", "svg"] = "png", *, title: str, dpi: int = 110) -> bytes:
    """A Matplotlib figure -> the content of a PNG or SVG file, the same for the same figure.

    Args:
        figure: the figure.
        kind: "png" or "svg"; the text of an SVG stays text.
        title: description of the picture, stored in the file for screen readers.
        dpi: pixels per inch of a PNG.
    """
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # names of a stranger's file; a control character would make the SVG no XML
        text.set_text(without_controls(text.get_text()))
    title = one_line(title)
    settings: Any = {"font.sans-serif": _installed_fonts(), "svg.fonttype": "none", "svg.hashsalt": "toolkit"}
    metadata = {"Title": title} if kind == "png" else {"Title": title, "Date": None, "Creator": None}
    buffer = io.BytesIO()
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box where no font of this machine has it
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


@functools.cache
def _installed_fonts() -> list[str]:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in installed] or ["DejaVu Sans"]

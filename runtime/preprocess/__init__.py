"""Pre-processing: pictures, tables, texts and sequences -> a network's input arrays. The only deterministic implementation.

Training, calibration, verification, `predict`, `embed` and the server all call these functions, driven by the
card's inputs, so a file behaves at inference as it did in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.lazy_names import lazy_names

if TYPE_CHECKING:
    from runtime.preprocess.csv_table import CsvTable, read_table, table_rows
    from runtime.preprocess.named_columns import is_number
    from runtime.preprocess.pictures import (
        Picture,
        convert_image,
        crop_start,
        decode,
        normalize,
        open_image,
        prepare_image,
        raw_pixels,
        resized_size,
    )
    from runtime.preprocess.sequences import prepare_sequences, read_arrays, split_steps
    from runtime.preprocess.tables import prepare_table
    from runtime.preprocess.text import prepare_text, read_lines, split_tokens

__all__ = [
    "CsvTable",
    "Picture",
    "convert_image",
    "crop_start",
    "decode",
    "is_number",
    "normalize",
    "open_image",
    "prepare_image",
    "prepare_sequences",
    "prepare_table",
    "prepare_text",
    "raw_pixels",
    "read_arrays",
    "read_lines",
    "read_table",
    "resized_size",
    "split_steps",
    "split_tokens",
    "table_rows",
]

__getattr__ = lazy_names(
    __name__,
    {
        "runtime.preprocess.pictures": (
            "Picture",
            "convert_image",
            "crop_start",
            "decode",
            "normalize",
            "open_image",
            "prepare_image",
            "raw_pixels",
            "resized_size",
        ),
        "runtime.preprocess.sequences": (
            "prepare_sequences",
            "read_arrays",
            "split_steps",
        ),
        "runtime.preprocess.csv_table": ("CsvTable", "read_table", "table_rows"),
        "runtime.preprocess.named_columns": ("is_number",),
        "runtime.preprocess.tables": ("prepare_table",),
        "runtime.preprocess.text": (
            "prepare_text",
            "read_lines",
            "split_tokens",
        ),
    },
)

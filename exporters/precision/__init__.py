"""Lower precisions: 16-bit floats and 8-bit integers, measured against float32 and refused where they lose too much."""

from exporters.precision.stage import PRECISIONS, change_precision, precision_words

__all__ = ["PRECISIONS", "change_precision", "precision_words"]

"""Lower precisions: 16-bit floats and 8-bit integers, measured beside float32 and refused where they are no good."""

from exporters.precision.stage import PRECISIONS, change_precision, precision_words

__all__ = ["PRECISIONS", "change_precision", "precision_words"]

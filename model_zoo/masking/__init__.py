"""Ordinary layers over padded sequences: each gives for the real steps of a row what it gives for the row without padding."""

from model_zoo.masking import normalisation, pooling, recurrent, shaping, stepwise, windows
from model_zoo.masking.padding import Padding, find_padding
from model_zoo.masking.registry import Masked, find_masked, masked

__all__ = ["Masked", "Padding", "find_masked", "find_padding", "masked"]

_FAMILIES = (normalisation, pooling, recurrent, shaping, stepwise, windows)

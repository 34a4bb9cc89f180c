"""Kinds of input: one file per kind with its preprocessor."""

from runtime.preprocess.kinds.preprocessor import Preprocessor
from runtime.preprocess.kinds.registry import preprocessor_of, register_preprocessor

__all__ = ["Preprocessor", "preprocessor_of", "register_preprocessor"]

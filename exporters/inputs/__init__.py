"""Kinds of input: what an export knows of each, one file per kind."""

from exporters.inputs.kind import InputKind
from exporters.inputs.registry import kind_of, register_kind

__all__ = ["InputKind", "kind_of", "register_kind"]

"""Arguments of a transform, checked against its own signature, and the transform built from them."""

from __future__ import annotations

import enum
import functools
import inspect
import math
import numbers
import types
import typing
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import InputError, suggest
from toolkit.data.augmentation.names import kind_of, transform_class

__all__ = ["build_transform", "checked_arguments", "parameters_of", "size_of"]

# Parameters about how torchvision is called, not about what it does to a picture.
_NOT_OURS = ("inplace", "labels_getter", "num_classes", "transforms")
# Where the annotation says less than the documentation.
_HINTS: dict[tuple[str, str], Any] = {
    ("RandomErasing", "value"): float | typing.Literal["random"] | Sequence[float],
    ("GaussianNoise", "clip"): bool,
    ("RandomAffine", "degrees"): float | Sequence[float],
    ("RandomRotation", "degrees"): float | Sequence[float],
    ("ToDtype", "dtype"): str,
    ("ConvertImageDtype", "dtype"): str,
}
# torchvision's filters for pixels in a tensor; Resize is part of the card and has Pillow's.
_FILTERS = ("nearest", "nearest-exact", "bilinear", "bicubic")
_PICTURE_FILTERS = (*_FILTERS, "box", "hamming", "lanczos")


@functools.cache
def parameters_of(name: str) -> Mapping[str, inspect.Parameter]:
    """The parameters that may be given to a transform, in the order of its signature, without `transforms`."""
    found = inspect.signature(transform_class(name)).parameters
    kept = {key: parameter for key, parameter in found.items() if key not in _NOT_OURS}
    return {"transforms": found["transforms"], **kept} if "transforms" in found else kept


@functools.cache
def _hints(name: str) -> Mapping[str, Any]:
    return typing.get_type_hints(inspect.getattr_static(transform_class(name), "__init__"))


def checked_arguments(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in JSON values -> those that are not the default None, once each fits.

    Raises:
        InputError: an argument is unknown, missing or of the wrong kind, or torchvision refuses its value.
    """
    parameters = {key: value for key, value in parameters_of(name).items() if key != "transforms"}
    for key in arguments:
        if key == "inplace":
            continue  # pictures are never changed in place
        if key not in parameters:
            known = suggest(str(key), parameters) if parameters else " It takes none."
            raise InputError(f"{name}: there is no argument {key!r}.{known}")
    checked = {}
    for key, parameter in parameters.items():
        if key not in arguments or (arguments[key] is None and parameter.default is None):
            if parameter.default is inspect.Parameter.empty:
                raise InputError(f"{name}: the argument {key} is missing; {_words(_hint(name, key))} is expected.")
            continue
        value = arguments[key]
        if key in ("size", "target_size"):
            whole = size_of(name, value)
            value = value if name == "Resize" else whole  # to Resize one number is the shorter side
        if value is None or not _fits(value, _hint(name, key)):  # null is for the default null only, which TOML lacks
            raise InputError(f"{name}: {key}={value!r} was given; {_words(_hint(name, key))} is expected.")
        if key == "interpolation":
            known_filters = _PICTURE_FILTERS if name == "Resize" else _FILTERS
            if value not in known_filters:
                raise InputError(f"{name}: interpolation={value!r} was given.{suggest(value, known_filters)}")
        if (
            key == "alpha" and kind_of(name) == "mix" and not value > 0
        ):  # torch checks it only where nothing switched that off
            raise InputError(f"{name}: alpha={value!r} was given; a number above 0 is expected, such as 0.2.")
        checked[key] = value
    if "transforms" not in parameters_of(name) and kind_of(name) != "conversion":
        build_transform(name, checked)
    return checked


def build_transform(name: str, arguments: Mapping[str, Any], inside: Sequence[Any] = ()) -> Any:
    """Checked arguments -> the transform of torchvision (version 2), or ours.

    Raises:
        InputError: a value is not one the transform takes.
    """
    values = {key: _native(_hint(name, key), value) for key, value in arguments.items()}
    if inside:
        values["transforms"] = list(inside)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as a range given the wrong way round
            return transform_class(name)(**values)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError, Warning) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{name} cannot be made with {given or 'no arguments'}: {reason}.") from error


def size_of(name: str, value: Any) -> list[int]:
    """One whole number or (height, width) -> [height, width].

    Raises:
        InputError: it is neither.
    """
    lengths = list(value) if isinstance(value, list | tuple) else [value]
    whole = all(isinstance(length, int) and not isinstance(length, bool) and length >= 1 for length in lengths)
    if len(lengths) not in (1, 2) or not whole:
        raise InputError(f"{name} takes (height, width) or one whole number; {value!r} was given.")
    return [lengths[0], lengths[-1]]


def _hint(name: str, key: str) -> Any:
    return _HINTS.get((name, key), _hints(name).get(key, Any))


def _native(hint: Any, value: Any) -> Any:
    """A JSON value as torchvision wants it: tuples for lists, enumerations for their text, 1.0 for a 1 (which MixUp fails on)."""
    if hint is float and isinstance(value, int):
        return float(value)
    if isinstance(value, list):
        return tuple(_native(None, item) for item in value)
    if isinstance(value, str):
        for option in (hint, *typing.get_args(hint)):
            if inspect.isclass(option) and issubclass(option, enum.Enum):
                return option(value)
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return isinstance(value, list) and len(value) == len(inner) and all(map(_fits, value, inner))
    if (origin or hint) in (list, tuple, Sequence):
        return isinstance(value, list) and all(_fits(item, inner[0] if inner else float) for item in value)
    if hint in (float, numbers.Number):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return isinstance(value, str) and any(value == member.value for member in hint)
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    return False


def _words(hint: Any) -> str:
    """An annotation in words: ``int | Sequence[int]`` -> ``a whole number or a list of whole numbers``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        options = dict.fromkeys(_words(option) for option in inner if typing.get_origin(option) is not dict)
        return " or ".join(option for option in options if option)
    if origin is typing.Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple and inner:
        return "[" + ", ".join(map(_words, inner)) + "]"
    if (origin or hint) in (list, tuple, Sequence):
        kind = _words(inner[0]) if inner else "a number"
        return {"a whole number": "a list of whole numbers"}.get(kind, "a list of numbers")
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return " or ".join(repr(member.value) for member in hint)
    known = {int: "a whole number", float: "a number", numbers.Number: "a number", bool: "true or false", str: "a text"}
    return known.get(hint, "")

"""Feeding: what a caller gives for an input -> what onnxruntime takes, with nothing lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import InputError
from runtime.session.tensor import DTYPES, Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["fit", "lengths_of"]

_PLAIN = (list, tuple, bool, int, float, str, bytes)


def fit(tensor: Tensor, value: Any) -> Any:
    """Fit a value to an input.

    An array must have the input's dtype, in any byte order. Lists, tuples and single numbers have none: they become an array of it
    where it holds each number, of floats the nearest one. Texts may be `str` or UTF-8 bytes, in arrays or lists. A sequence takes a list
    of arrays. Values of onnxruntime's own (`OrtValue`), and what NumPy has no word for (maps, sparse tensors), go through as they are.

    Raises:
        InputError: the value is none of these, or its dtype, rank or a fixed length is another.
    """
    if hasattr(value, "_ortvalue"):
        return _own_value(tensor, value)
    if tensor.dtype.startswith("seq(tensor("):
        return _sequence(tensor, value)
    if tensor.is_array:
        array = _array(np.dtype(tensor.dtype), value)
        if array is None or (tensor.shape and not _has_lengths(tensor, array.shape)):
            raise _does_not_fit(tensor, value)
        return array
    if tensor.dtype.startswith("tensor("):
        raise InputError(
            f"The input {tensor.name!r} takes a {tensor.dtype}, which no NumPy array can be. Give an onnxruntime.OrtValue of that type "
            f"(OrtValue.ortvalue_from_numpy_with_onnx_type)."
        )
    return value


def lengths_of(value: Any) -> list[tuple[int, ...]]:
    """Shapes of an array, or of the arrays of a sequence; none of what is neither."""
    return [array.shape for array in (value if isinstance(value, list) else [value]) if isinstance(array, np.ndarray)]


def _own_value(tensor: Tensor, value: Any) -> Any:
    """An OrtValue. onnxruntime checks the lengths of a tensor by itself."""
    type_ = DTYPES.get(value.data_type(), value.data_type())
    if type_ != tensor.dtype:
        raise InputError(f"The input {tensor.name!r} is an OrtValue of {type_}; {tensor.dtype} is expected.")
    return value


def _sequence(tensor: Tensor, value: Any) -> list[Any]:
    type_ = tensor.dtype[len("seq(") : -1]
    dtype = DTYPES.get(type_)
    if dtype is None:
        raise InputError(
            f"The input {tensor.name!r} takes a {tensor.dtype}, whose tensors no NumPy arrays can be. Give an onnxruntime.OrtValue."
        )
    if not isinstance(value, list | tuple):
        given = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise InputError(
            f"The input {tensor.name!r} is {given}; a list of {dtype} arrays is expected. Give one array for each "
            f"entry, such as [first, second]."
        )
    arrays = [_array(np.dtype(dtype), entry) for entry in value]
    for place, array in enumerate(arrays):
        if array is None:
            raise InputError(
                f"Entry {place} of the input {tensor.name!r} is {_given(value[place])}; a {dtype} array is expected."
                f"{_cast(value[place], dtype)}"
            )
    return arrays


def _array(dtype: np.dtype[Any], value: Any) -> Array | None:
    """Array of this dtype; None where the value is none."""
    plain = not isinstance(value, np.ndarray | np.generic)
    if plain and not isinstance(value, _PLAIN):
        return None
    if dtype.kind == "O":
        return _texts(np.asarray(value, object) if plain else np.asarray(value))
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # rows of different lengths
        return None
    if not plain:
        return array.astype(dtype, copy=False) if array.dtype.newbyteorder("=") == dtype else None
    return _without_loss(array, dtype)


def _without_loss(array: Array, dtype: np.dtype[Any]) -> Array | None:
    """Numbers of a list as this dtype: floats are rounded, whole numbers stay what they are; None where they would not."""
    if array.dtype.kind not in "biuf":
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            found: Array = array.astype(dtype)
        return found if np.array_equal(np.isfinite(found), np.isfinite(array)) else None
    if array.size:
        least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        whole = array.dtype.kind != "f" or bool(np.all(np.isfinite(array) & (array == np.trunc(array))))
        if not whole or int(array.min()) < least or int(array.max()) > most:
            return None
    return array.astype(dtype)


def _texts(array: Array) -> Array | None:
    """Texts as an array of `str`, from `str`, UTF-8 bytes and numbers; None where there is something else."""
    if array.dtype.kind not in "OUS":
        return None
    texts = []
    for entry in array.ravel().tolist():
        if isinstance(entry, bytes):
            try:
                entry = entry.decode()
            except UnicodeDecodeError:
                return None
        elif isinstance(entry, bool | int | float | np.number) and entry == entry:
            entry = str(entry)  # as onnxruntime does
        elif not isinstance(entry, str):
            return None
        texts.append(entry)
    found = np.empty(len(texts), object)
    found[:] = texts
    return found.reshape(array.shape)


def _has_lengths(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    return len(shape) == len(tensor.shape) and all(
        not isinstance(length, int) or length == given for length, given in zip(tensor.shape, shape, strict=True)
    )


def _does_not_fit(tensor: Tensor, value: Any) -> InputError:
    shape = ", ".join(map(str, tensor.shape))
    expected = (
        f"{tensor.dtype} of shape ({shape})" if tensor.dtype != "object" else f"texts (object) of shape ({shape})"
    )
    return InputError(
        f"The input {tensor.name!r} is {_given(value)}; {expected} is expected.{_cast(value, tensor.dtype)}"
    )


def _given(value: Any) -> str:
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype} of shape {value.shape}"
    if not isinstance(value, _PLAIN):
        return f"a {type(value).__name__}"
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        return f"a {type(value).__name__} whose parts have different lengths"
    return f"a {type(value).__name__} of {array.dtype} numbers of shape {array.shape}"


def _cast(value: Any, dtype: str) -> str:
    if isinstance(value, np.ndarray | np.generic):
        if dtype == "object":
            return " Give texts: str, or bytes in UTF-8." if value.dtype.kind in "OS" else ""
        return f" Cast it with .astype('{dtype}')." if value.dtype != dtype else ""
    if isinstance(value, _PLAIN):
        return f" Its numbers must be such as {dtype} holds." if dtype != "object" else " Give texts."
    return " Give a NumPy array."

"""Example arguments of a module, nested in any way <-> a flat list of named tensors, the file's inputs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from runtime.errors import InputError

__all__ = ["Arguments", "read_example"]


@dataclass(frozen=True)
class _Slot:
    """Placeholder of one tensor among the arguments."""

    position: int


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call with their tensors taken out.

    Attributes:
        names: of the tensors, in order.
        positional, keywords: the arguments, with a slot in the place of each tensor.
        constants: path -> value of every non-tensor, which is fixed in the file.
        copied: every call gets tensors of its own, for a module that writes into them.
    """

    names: tuple[str, ...]
    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    constants: Mapping[str, Any]
    copied: bool = False

    @property
    def plain(self) -> bool:
        """True where the tensors are exactly the positional arguments."""
        return not self.copied and not self.keywords and self.positional == tuple(map(_Slot, range(len(self.names))))

    def call(self, module: torch.nn.Module, tensors: tuple[torch.Tensor, ...]) -> Any:
        """Call a module with one tensor per name."""
        if self.plain:
            return module(*tensors)
        if self.copied:
            tensors = tuple(tensor.clone() for tensor in tensors)
        filled = {name: _filled(value, tensors) for name, value in self.keywords.items()}
        return module(*(_filled(value, tensors) for value in self.positional), **filled)

    def with_copies(self) -> Arguments:
        """Arguments whose every call gets its own copies of the tensors."""
        return dataclasses.replace(self, copied=True)

    def with_names(self, names: tuple[str, ...]) -> Arguments:
        """Arguments with other names for the tensors."""
        return dataclasses.replace(self, names=names)


def read_example(module: torch.nn.Module, example: Any) -> tuple[Arguments, tuple[torch.Tensor, ...]]:
    """Flatten example arguments: (Arguments, tensors).

    A tensor is the only argument, a tuple or list holds the positional ones, a mapping the keyword arguments, or, where
    `forward` has no such parameters, its only argument. Within them tensors may lie in tuples, lists, mappings and
    dataclasses of any depth.

    A single input is called "input"; several are called by their parameters of `forward`, nested ones by their path, such as
    "batch.mask" or "pair.0".

    Raises:
        InputError: the example has no tensor, a tensor cannot be an input, or a value cannot be stored in a file.
    """
    positional, keywords = _arguments(module, example)
    parameters = _positional_parameters(module)
    tensors: list[torch.Tensor] = []
    paths: list[str] = []
    constants: dict[str, Any] = {}

    def emptied(value: Any, path: str) -> Any:
        """`value` with every tensor replaced by its placeholder."""
        if isinstance(value, torch.Tensor):
            _check_tensor(value, path)
            tensors.append(value.detach())
            paths.append(path)
            return _Slot(len(tensors) - 1)
        if isinstance(value, Mapping):
            return _mapping_like(value, {key: emptied(item, f"{path}.{key}") for key, item in value.items()})
        if isinstance(value, list | tuple):
            return _sequence_like(value, [emptied(item, f"{path}.{place}") for place, item in enumerate(value)])
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            changes = {item.name: emptied(getattr(value, item.name), f"{path}.{item.name}") for item in _fields(value)}
            return dataclasses.replace(value, **changes)
        if value is not None and not isinstance(value, bool | int | float | str | torch.dtype | torch.device):
            raise InputError(
                f"The example's {path} is {_described(value)}; tensors, and numbers or texts that stay the same, are expected. "
                f"Make a NumPy array a tensor with torch.from_numpy."
            )
        constants[path] = value
        return value

    count = len(positional)
    names = [parameters[place] if place < len(parameters) else "" for place in range(count)]
    names = [name or ("input" if place == 0 else f"input{place + 1}") for place, name in enumerate(names)]
    found = tuple(emptied(value, name) for value, name in zip(positional, names, strict=True))
    named = {name: emptied(value, name) for name, value in keywords.items()}
    if not tensors:
        raise InputError(
            f"The example is {_described(example)}; a tensor or a tuple of tensors with a batch axis is expected, or a mapping "
            f"of keyword arguments."
        )
    if not any(tensor.ndim for tensor in tensors):
        raise InputError(
            "The example is a tensor of shape (); a tensor or a tuple of tensors with a batch axis is expected, at least one row each."
        )
    arguments = Arguments(tuple(_unique(paths)), found, named, {k: v for k, v in constants.items() if v is not None})
    if len(tensors) == 1 and arguments.plain:
        arguments = arguments.with_names(("input",))
    return arguments, tuple(tensors)


def _arguments(module: torch.nn.Module, example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments that the example denotes."""
    if isinstance(example, Mapping):
        if all(isinstance(key, str) for key in example) and _takes_keywords(module, set(map(str, example))):
            return (), dict(example)
        return (example,), {}
    if isinstance(example, list | tuple) and not hasattr(example, "_fields"):
        parts = tuple(example)
        # (args, kwargs), as torch.export writes it
        if (
            len(parts) == 2
            and isinstance(parts[0], tuple)
            and isinstance(parts[1], dict)
            and _is_keywords(module, parts)
        ):
            return parts[0], dict(parts[1])
        return parts, {}
    return (example,), {}


def _is_keywords(module: torch.nn.Module, parts: tuple[Any, ...]) -> bool:
    """Test that a pair is (args, kwargs): `forward` takes fewer than two arguments, or has these keywords."""
    return len(_positional_parameters(module)) < 2 or _takes_keywords(module, set(parts[1]), skip=len(parts[0]))


def _parameters(module: torch.nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return []


def _positional_parameters(module: torch.nn.Module) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if isinstance(module, torch.jit.ScriptModule):
        scripted: Any = module.forward
        return [argument.name for argument in scripted.schema.arguments[1:]]
    return [parameter.name for parameter in _parameters(module) if parameter.kind in kinds]


def _takes_keywords(module: torch.nn.Module, names: set[str], skip: int = 0) -> bool:
    """Test that `forward` takes all these keyword arguments, after its first `skip` parameters."""
    if isinstance(module, torch.jit.ScriptModule):
        return names <= set(_positional_parameters(module)[skip:])
    parameters = _parameters(module)
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return True
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return names <= {parameter.name for parameter in parameters[skip:] if parameter.kind in kinds}


def _check_tensor(tensor: torch.Tensor, path: str) -> None:
    where = "" if path == "input" else f" (its {path})"
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_nested:
        kind = "a complex" if tensor.is_complex() else "a sparse, quantised or nested"
        raise InputError(f"The example{where} is {kind} tensor, which no ONNX file takes. Give dense real tensors.")
    if tensor.device.type != "cpu":
        raise InputError(
            f"The example{where} lies on {tensor.device}; exporting runs on the CPU. Give example.cpu(), and module.cpu()."
        )
    if not tensor.numel():
        raise InputError(
            f"The example{where} is a tensor of shape {tuple(tensor.shape)}; a tensor or a tuple of tensors with a batch axis is "
            f"expected, at least one row each."
        )


def _filled(value: Any, tensors: tuple[torch.Tensor, ...]) -> Any:
    """`value` with every placeholder replaced by its tensor."""
    if isinstance(value, _Slot):
        return tensors[value.position]
    if isinstance(value, Mapping):
        return _mapping_like(value, {key: _filled(item, tensors) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return _sequence_like(value, [_filled(item, tensors) for item in value])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {item.name: _filled(getattr(value, item.name), tensors) for item in _fields(value)}
        return dataclasses.replace(value, **changes)
    return value


def _mapping_like(value: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    if type(value) is dict:
        return items
    try:
        return type(value)(items)  # type: ignore[call-arg]
    except TypeError:  # a mapping whose making takes something else
        return items


def _sequence_like(value: Any, items: list[Any]) -> Any:
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _fields(value: Any) -> Iterator[dataclasses.Field[Any]]:
    return (item for item in dataclasses.fields(value) if item.init)


def _unique(paths: list[str]) -> list[str]:
    """Unique names: a repeated path gets a number."""
    found: list[str] = []
    for path in paths:
        number, name = 2, path
        while name in found:
            name, number = f"{path}_{number}", number + 1
        found.append(name)
    return found


def _described(value: Any) -> str:
    return f"a {type(value).__name__}"

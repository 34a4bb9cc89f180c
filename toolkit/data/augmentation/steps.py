"""Transform parser: plain JSON in several forms, or torchvision's objects -> steps."""

from __future__ import annotations

import enum
import inspect
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import InputError
from toolkit.data.augmentation.arguments import checked_arguments, parameters_of
from toolkit.data.augmentation.names import CONTAINERS, kind_of

__all__ = ["Step", "read_steps"]


@dataclass(frozen=True)
class Step:
    """One transform by name, with the arguments that were given, as JSON values; containers have steps inside."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inside: tuple[Step, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """``{name: {argument: value}}``, which `read_steps` reads back."""
        inner = {"transforms": [step.to_json() for step in self.inside]} if self.inside else {}
        return {self.name: {**inner, **self.arguments}}


def read_steps(transform: Any) -> tuple[Step, ...]:
    """Transforms in any accepted form -> steps in their order.

    - ``{"Resize": [128, 128], "RandomHorizontalFlip": 0.5}``: a bare value is the first argument;
    - ``{"RandomCrop": {"size": 28, "padding": 4}}``: arguments by name;
    - ``"RandomInvert"``: a name alone; a list of any of these, where names may come again;
    - ``{"RandomChoice": [...]}``, ``{"RandomApply": {"transforms": [...], "p": 0.3}}``: steps inside;
    - torchvision's transforms (``transforms`` or ``transforms.v2``), alone, in a list or in a Compose.

    Raises:
        InputError: a name or an argument is unknown, or a value does not fit.
    """
    if transform is None:
        return ()
    if isinstance(transform, str):
        return _flat(_step(transform, None))
    if isinstance(transform, Mapping):
        return tuple(step for name, value in transform.items() for step in _flat(_step(name, value)))
    if isinstance(transform, list | tuple):
        return tuple(step for entry in transform for step in read_steps(entry))
    if type(transform).__module__.startswith("torchvision.transforms"):
        return _flat(_step_of(transform))
    raise InputError(
        f"The transform {transform!r:.80} is a {type(transform).__name__}; a name, a mapping from names to arguments, a list of "
        f"these, or one of torchvision's transforms is expected. What is not plain JSON could not be kept in the checkpoint."
    )


def _flat(step: Step) -> tuple[Step, ...]:
    return step.inside if step.name == "Compose" else (step,)


def _step(name: Any, value: Any) -> Step:
    kind_of(str(name))
    if isinstance(value, Mapping):
        given = dict(value)
    elif value is None:
        given = {}
    elif str(name) == "Normalize":
        given = _pair(value)
    else:
        parameters = list(parameters_of(name))
        if not parameters:
            raise InputError(f"{name} takes no arguments; {value!r} was given. Write {{{name!r}: null}}.")
        given = {parameters[0]: value}
    if name not in CONTAINERS:
        return Step(name, checked_arguments(name, {key: plain(item, f"{name}, {key}") for key, item in given.items()}))
    inside = read_steps(given.pop("transforms", None))
    if not inside:
        raise InputError(f"{name} has no transforms inside. Write {{{name!r}: [...]}}, or give 'transforms' by name.")
    arguments = checked_arguments(name, {key: plain(item, f"{name}, {key}") for key, item in given.items()})
    weights = arguments.get("p")
    if isinstance(weights, list) and len(weights) != len(inside):
        raise InputError(
            f"{name} has {len(inside)} transforms, but {len(weights)} probabilities; one for each is expected."
        )
    return Step(name, arguments, inside)


def _pair(value: Any) -> dict[str, Any]:
    """Arguments of Normalize in its short form (means, deviations)."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(item, list | tuple) for item in value):
        return {"mean": value[0], "std": value[1]}
    raise InputError(f"Normalize takes (means, deviations), one number a channel; {value!r} was given.")


def _step_of(transform: Any) -> Step:
    """A torchvision transform (version 1 or 2) -> step, read from its attributes."""
    name = type(transform).__name__
    kind_of(name)
    if name in CONTAINERS:
        inside = tuple(step for entry in transform.transforms for step in read_steps(entry))
        weights = {"p": getattr(transform, "p", None)} if "p" in parameters_of(name) else {}
        return _step(name, {"transforms": [step.to_json() for step in inside], **_given(name, weights)})
    found = {key: getattr(transform, key) for key in parameters_of(name) if hasattr(transform, key)}
    if name == "RandomErasing" and found["value"] is None:
        found["value"] = "random"  # version 2 keeps it as None
    if name == "RandomCrop" and ".v2." in type(transform).__module__ and found["padding"]:
        left, right, top, bottom = found["padding"]  # version 2 keeps it in this order, and takes it in another
        found["padding"] = [left, top, right, bottom]
    return _step(name, _given(name, found))


def _given(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a transform that differ from the defaults."""
    given = {}
    for key, value in values.items():
        default = parameters_of(name)[key].default
        if value is None or (default is not inspect.Parameter.empty and plain(value, key) == plain(default, key)):
            continue
        given[key] = value
    return given


def plain(value: Any, what: str) -> Any:
    """JSON-serialisable value: tuples become lists, enumerations their text, NumPy's numbers Python's.

    Raises:
        InputError: JSON cannot represent it.
    """
    import torch

    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value, what)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, list | tuple):
        return [plain(item, what) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist(), what)
    raise InputError(f"{what}: {value!r:.80} was given; text, numbers or lists of them are expected.")

"""Named settings: a name, or a mapping with ``name`` and options, checked against a constructor's signature.

Losses, optimisers, schedules and metrics are all asked for in this way: ``"SGD"``, or
``{"name": "SGD", "momentum": 0.9, "nesterov": True}``, from Python, JSON and TOML alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runtime.errors import SpecError, suggest
from toolkit.training.settings import Named

__all__ = ["check_options", "find_name", "join_named", "plain", "split_named"]


def split_named(setting: Any, what: str) -> tuple[Any, dict[str, Any]]:
    """(name, options) of a setting. `what` is named in errors, such as ``"loss"``.

    Raises:
        SpecError: it is a mapping without ``name``.
    """
    if not isinstance(setting, Mapping):
        return setting, {}
    if "name" not in setting:
        raise SpecError(
            f"The {what} {dict(setting)!r} has no name. Give it as {{'name': ..., and its options}}, or as a name alone."
        )
    return setting["name"], {str(key): value for key, value in setting.items() if key != "name"}


def join_named(name: str, options: Mapping[str, Any]) -> Named:
    """The shortest setting for a name and its options."""
    return {"name": name, **options} if options else name


def find_name(name: Any, known: Iterable[str], what: str, ending: str = "") -> str:
    """The known name that is `name` but for case, underscores, hyphens and spaces.

    Args:
        name: the name given.
        known: the registered names.
        what: named in the error, such as ``"loss"``.
        ending: may be left out of the name, such as ``"loss"`` at its end.

    Raises:
        SpecError: there is none; with the closest names.
    """
    names = {_key(candidate, ending): candidate for candidate in known}
    key = _key(str(name), ending)
    if key not in names or not isinstance(name, str):
        shown = " ".join(repr(name).split())
        raise SpecError(
            f"There is no {what} {shown[:80]}{'...' * (len(shown) > 80)}.{suggest(str(name), names.values())}"
        )
    return names[key]


def _key(name: str, ending: str) -> str:
    key = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    return key.removesuffix(ending) if ending else key


def check_options(
    constructor: Callable[..., Any], options: Mapping[str, Any], what: str, hidden: Iterable[str] = ()
) -> dict[str, Any]:
    """The options as plain values, once each is known and of the kind of the parameter's default.

    Args:
        constructor: its signature says which options there are; a default says of which kind the value is.
        options: what was given.
        what: named in errors, such as ``"The loss MSELoss"``.
        hidden: parameters that are no options.

    Raises:
        SpecError: an option is unknown, or of another kind than its default.
    """
    hidden = set(hidden)
    parameters = {
        name: parameter for name, parameter in inspect.signature(constructor).parameters.items() if name not in hidden
    }
    checked = {}
    for name, given in options.items():
        if name not in parameters:
            known = suggest(name, parameters) if parameters else " It takes none."
            raise SpecError(f"{what} has no option {name!r}.{known}")
        value = plain(given, f"{what}: {name}")
        expected = _mismatch(value, parameters[name].default)
        if expected:
            raise SpecError(f"{what}: {name}={given!r} was given; {expected} is expected.")
        checked[name] = value
    return checked


def plain(value: Any, what: str) -> Any:
    """Tensors, arrays and tuples as lists, NumPy's numbers as Python's. Raises SpecError for what JSON cannot hold."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item, what) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, what) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SpecError(f"{what}={value!r} was given; a number, a text or a list of these is expected.")


def _mismatch(value: Any, default: Any) -> str:
    """Text of the expected kind where a value is not of the default's kind; "" where it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "True or False"
    if isinstance(default, int | float):
        return "" if number else "a number"
    if isinstance(default, str):
        return "" if isinstance(value, str) else "a text"
    if isinstance(default, tuple):
        fits = isinstance(value, list) and len(value) == len(default)
        fits = fits and not any(_mismatch(item, wanted) for item, wanted in zip(value, default, strict=True))
        return "" if fits else f"a list of {len(default)} numbers"
    return ""

"""A user's own torch modules: given as a class with plain arguments or as an instance, stored in the spec by name only.

A checkpoint never holds code. Whoever opens one with own modules gives them again, by name: the class with the arguments that
the spec keeps, or an instance. Several instances of one class are told apart by their order in the network.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from runtime.errors import SpecError

__all__ = [
    "Factory",
    "OwnModule",
    "find_module",
    "forget_modules",
    "keep_instances",
    "make_module",
    "own_module",
    "register_module",
    "register_modules",
]

Factory: TypeAlias = Callable[..., torch.nn.Module]


@dataclass(frozen=True)
class OwnModule:
    """Registered module: the class or the instances of a name.

    Attributes:
        name: the name in the spec.
        factory: arguments -> module, such as its class; None when instances only were given.
        instances: modules to copy, in the order of their places in the network.
    """

    name: str
    factory: Factory | None = None
    instances: tuple[torch.nn.Module, ...] = ()


_REGISTERED: dict[str, OwnModule] = {}


def register_module(name: str, factory: Factory) -> None:
    """Let specs and checkpoints of this process name `factory`, a class or function that returns a module.

    A later registration of the name replaces the earlier one, as a class defined anew in a notebook does.

    Raises:
        SpecError: `name` is no text, or `factory` cannot be called.
    """
    if not isinstance(name, str) or not name:
        raise SpecError(f"The module's name {name!r} was given; a text is expected, such as its class's name.")
    if isinstance(factory, torch.nn.Module) or not callable(factory):
        raise SpecError(
            f"For the module {name!r} a {type(factory).__name__} was given; its class, or a function that makes it, is expected."
        )
    known = _REGISTERED.get(name)
    _REGISTERED[name] = OwnModule(name, factory, () if known is None else known.instances)


def register_modules(modules: Iterable[Any] | Mapping[str, Any]) -> None:
    """Register classes and instances as `nn.load(path, modules=...)` takes them.

    Args:
        modules: classes and instances, named after their class, instances in the order of the network; or a mapping from
            names to a class, a function, or an instance.

    Raises:
        SpecError: something else is among them.
    """
    if isinstance(modules, str | torch.nn.Module | type) or not isinstance(modules, Iterable):
        raise SpecError(
            f"modules={modules!r} was given; a list of classes or instances is expected, such as [MyModule]."
        )
    if isinstance(modules, Mapping):
        pairs = list(modules.items())
    else:
        pairs = [
            (type(m).__name__ if isinstance(m, torch.nn.Module) else getattr(m, "__name__", ""), m) for m in modules
        ]
    instances: dict[str, list[torch.nn.Module]] = {}
    for name, module in pairs:
        if isinstance(module, torch.nn.Module):
            instances.setdefault(name, []).append(module)
        else:
            register_module(name, module)
    for name, given in instances.items():
        known = _REGISTERED.get(name)
        _REGISTERED[name] = OwnModule(name, None if known is None else known.factory, tuple(given))


def keep_instances(owns: Iterable[OwnModule | None]) -> None:
    """Let checkpoints of this process name the instances of a network, in the order of its layers."""
    register_modules([instance for own in owns if own is not None for instance in own.instances])


def forget_modules() -> None:
    """Empty the registry."""
    _REGISTERED.clear()


def own_module(given: Any, arguments: Mapping[str, Any], what: str) -> tuple[OwnModule, dict[str, Any]]:
    """A class or an instance as `add()` takes it -> (its `OwnModule`, the spec's arguments).

    Args:
        given: a subclass of torch.nn.Module, a function that returns one, or a module.
        arguments: for a class, what to call it with; plain values that JSON keeps.
        what: named in the errors, such as ``"layer 3"``.

    Raises:
        SpecError: `given` is something else, or an argument does not survive JSON.
    """
    if isinstance(given, torch.nn.Module):
        name = type(given).__name__
        if arguments:
            raise SpecError(
                f"{what}: {', '.join(arguments)} were given beside a finished {name}. Give the class: add({name}, "
                f"{', '.join(f'{key}={value!r}' for key, value in arguments.items())})."
            )
        return OwnModule(name, None, (given,)), {"name": name, "options": None}
    name = getattr(given, "__name__", "")
    is_class = isinstance(given, type)
    if not name or not callable(given) or (is_class and not issubclass(given, torch.nn.Module)):
        raise SpecError(
            f"{what}: {given!r} was given; the name of a layer, a torch.nn.Module or its class is expected."
        )
    options = {str(key): _plain(value, f"{what} {name!r}: {key}") for key, value in arguments.items()}
    register_module(name, given)
    return OwnModule(name, given), {"name": name, "options": options}


def find_module(arguments: Mapping[str, Any], occurrence: int, what: str) -> tuple[OwnModule, dict[str, Any]]:
    """A spec's entry -> (the `OwnModule` registered under its name, its arguments as plain values).

    Args:
        arguments: {"name": ..., "options": {...} or None}.
        occurrence: how many entries of that name without options stand before it.
        what: named in the errors.

    Raises:
        SpecError: the entry is malformed, or nothing fitting is registered.
    """
    name, options = arguments.get("name"), arguments.get("options")
    if (
        not isinstance(name, str)
        or not (options is None or isinstance(options, Mapping))
        or set(arguments) - {"name", "options"}
    ):
        raise SpecError(f"{what}: {dict(arguments)!r} was given; name and options of a module are expected.")
    known = _REGISTERED.get(name)
    if known is None or (known.factory is None and options is not None):
        raise SpecError(
            f"{what}: the network holds a module of its maker's own, {name!r}, and a checkpoint keeps no code. Import or define the "
            f"class and give it: nn.load(path, modules=[{name}])."
        )
    if options is None and known.instances:
        instance = known.instances[min(occurrence, len(known.instances) - 1)]
        return OwnModule(name, None, (instance,)), {"name": name, "options": None}
    plain = None if options is None else _plain(options, f"{what} {name!r}: options")
    return OwnModule(name, known.factory), {"name": name, "options": plain}


def make_module(own: OwnModule, options: Mapping[str, Any] | None, *, copied: bool = True) -> torch.nn.Module:
    """Build the module: by calling its class, or as a copy of its instance including weights.

    Args:
        own: the registered module.
        options: for the class; None for an instance.
        copied: copy an instance; False returns the instance itself, for shape inference.

    Raises:
        SpecError: the class refuses its arguments, or the instance cannot be copied.
    """
    if own.instances and options is None:
        if not copied:
            return own.instances[0]
        try:
            return copy.deepcopy(own.instances[0])
        except Exception as error:
            raise SpecError(
                f"The module {own.name!r} cannot be copied: {error}. Give its class and arguments: add({own.name}, ...)."
            ) from error
    assert own.factory is not None
    try:
        module = own.factory(**(options or {}))
    except Exception as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in (options or {}).items())
        hint = "" if options else f" It was added as an instance: give one, modules=[{own.name}(...)]."
        raise SpecError(f"{own.name}({shown}) failed: {error}.{hint if options is None else ''}") from error
    if not isinstance(module, torch.nn.Module):
        raise SpecError(f"{own.name} made a {type(module).__name__}; a torch.nn.Module is expected.")
    return module


def _plain(value: Any, what: str) -> Any:
    """JSON round trip of a value, with lists as tuples. Raises SpecError when JSON would change or refuse it."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item, what) for item in value)
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(item, what) for key, item in value.items()}
    elif value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return json.loads(json.dumps(value))
    raise SpecError(
        f"{what}={value!r} was given, which JSON cannot keep; numbers, texts, True, False, None, lists and mappings of these are "
        f"expected. Or give a finished module: add(MyModule(...))."
    )

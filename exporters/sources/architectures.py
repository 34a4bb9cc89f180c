"""Architectures by name: torchvision:resnet50, timm:NAME, my_models.py:Net."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from exporters.sources import own_file, timm_models, torchvision_models
from exporters.sources.published import Published
from runtime.errors import InputError, SpecError, ToolkitError, suggest

__all__ = ["Architecture", "build_architecture", "is_architecture"]

_FAMILIES = ("torchvision", "timm")


@dataclass(frozen=True)
class Architecture:
    """A network without its weights.

    Attributes:
        text: the name that was given.
        module: the network, with fresh weights.
        published: facts of its published weights; None for the user's own networks.
    """

    text: str
    module: torch.nn.Module
    published: Published | None


def is_architecture(text: str) -> bool:
    """Test for the name of an architecture rather than a file: "family:name" or "file.py:Name"."""
    before, colon, after = text.rpartition(":")
    return bool(colon and after) and (before in _FAMILIES or before.endswith(".py"))


def build_architecture(
    text: str, arguments: Mapping[str, Any] | None, *, random: bool = False, weights_file: str = ""
) -> Architecture:
    """Make a network with fresh weights; torch's random state stays as it was.

    Args:
        text: "torchvision:NAME", "timm:NAME", or "FILE.py:NAME" of a class or function that returns a module.
        arguments: keyword arguments of the network's constructor.
        random: keep the fresh weights.
        weights_file: name of the file that its weights come from, by which the published weights may be identified.

    Raises:
        SpecError: there is no such network, or it does not take the arguments.
        InputError: the file cannot be imported.
        MissingPackageError, InputError: a package is missing; says how to install it.
    """
    family, colon, name = text.rpartition(":")
    given = dict(arguments or {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if family == "torchvision":
            module, published = torchvision_models.build(name, given, random=random, weights_file=weights_file)
            return Architecture(text, module, published)
        if family == "timm":
            module, published = timm_models.build(name, given)
            return Architecture(text, module, published)
        if colon and family.endswith(".py"):
            return Architecture(text, _made(own_file.find(family, name), text, given), None)
    hint = suggest(family, _FAMILIES) if family else ""
    raise SpecError(
        f"The architecture {text!r} was given; torchvision:NAME, timm:NAME or FILE.py:NAME is expected, such as "
        f"torchvision:resnet50 or my_models.py:Net.{hint}"
    )


def _made(factory: Any, text: str, arguments: dict[str, Any]) -> torch.nn.Module:
    """Call a user's own class or function."""
    if isinstance(factory, torch.nn.Module):
        if arguments:
            raise SpecError(f"{text} is a module already, so it takes no arguments. Leave --arch-args out.")
        return factory
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        raise SpecError(
            f"{text} cannot be made with the arguments {arguments}: {error}. It takes {inspect.signature(factory)}; give them with "
            f"--arch-args (arch_args in Python)."
        ) from error
    except ValueError:
        pass  # a builtin without a signature
    try:
        module = factory(**arguments)
    except ToolkitError:
        raise
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise InputError(
            f"{text} failed with {type(error).__name__}: {error}. Correct it, or its --arch-args."
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"{text} returned an object of type {type(module).__name__}; a torch.nn.Module is expected.")
    return module

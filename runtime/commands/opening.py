"""Opening of a command's model, with a note on the device that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runtime.commands.printable import print_error

if TYPE_CHECKING:
    from runtime.model import Model

__all__ = ["open_model"]


def open_model(path: str, device: str, require_device: bool, threads: int | None = None) -> Model:
    """Open a model, whose runs Ctrl-C ends until the command has ended; say on standard error when another device runs than the one asked for.

    Raises:
        The errors of `runtime.model.load`.
    """
    import warnings

    from runtime.interruption import interruptible
    from runtime.model import load
    from runtime.session.providers import DeviceWarning

    click.get_current_context().with_resource(interruptible())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        model = load(path, device, require_device=require_device, threads=threads)
    if model.device.obstacle is not None:
        print_error(f"note: {model.device.explain()}")
    return model

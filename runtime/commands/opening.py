"""Opening of a command's model, with a note on the device that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.commands.printable import print_error

if TYPE_CHECKING:
    from runtime.model import Model

__all__ = ["open_model"]


def open_model(path: str, device: str, require_device: bool, threads: int | None = None) -> Model:
    """Open a model; say on standard error when another device runs than the one asked for.

    Raises:
        The errors of `runtime.model.load`.
    """
    import warnings

    from runtime.model import load
    from runtime.session.providers import DeviceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        model = load(path, device, require_device=require_device, threads=threads)
    if model.device.obstacle is not None:
        print_error(f"note: {model.device.explain()}")
    return model

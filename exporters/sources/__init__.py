"""Sources of an export, recognised by content: checkpoints, weights with an architecture, programs, TorchScript, modules."""

from exporters.sources.loaded_model import LoadedModel
from exporters.sources.opening import Source, open_source

__all__ = ["LoadedModel", "Source", "open_source"]

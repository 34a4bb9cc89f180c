"""What can be exported, told by its content: checkpoints, weights with their architecture, programs, TorchScript, modules."""

from exporters.sources.opened import Opened
from exporters.sources.opening import Source, open_source

__all__ = ["Opened", "Source", "open_source"]

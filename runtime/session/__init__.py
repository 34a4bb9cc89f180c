"""Sessions of onnxruntime: open a file on a device, check its inputs, run it, measure it, describe it."""

from runtime.session.session import Session
from runtime.session.tensor import Tensor

__all__ = ["Session", "Tensor"]

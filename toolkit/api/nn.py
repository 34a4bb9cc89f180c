"""`nn`: assemble, train, use, look inside and export a network in a few lines, in the manner of BaseNN."""

from __future__ import annotations

from toolkit.api.assembly import Assembly
from toolkit.api.calls import checked_calls
from toolkit.api.explaining import Looking
from toolkit.api.inference import Inference, pth_info
from toolkit.api.learning import Learning
from toolkit.api.loading import Loading

__all__ = ["nn", "pth_info"]


@checked_calls
class nn(Assembly, Loading, Learning, Inference, Looking):  # noqa: N801 - the name that its users know
    """A network under construction, with its data and its results.

    Args:
        task: "cls" for classification, "multilabel" for several labels at once, "reg" for regression, "dense"
            for one class per position, "embedding" for metric learning.
        save_fold: folder for checkpoints and pictures.
        input_shape: shape of one input without the batch axis, such as (1, 28, 28); loading data sets it too.
        init: weight initialisation, such as "xavier_uniform" or {"name": "normal", "std": 0.02}; None keeps PyTorch's.

    Raises:
        SpecError: `task` is not known, or `input_shape` is no shape.
    """

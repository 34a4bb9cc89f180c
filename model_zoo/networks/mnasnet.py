"""torchvision's MNASNet, loadable from a plain mapping of weights.

torchvision's own refuses any state_dict without the layout versions that torch hides in an attribute of it, which a plain
dict of tensors, as a checkpoint holds, does not have.
"""

from __future__ import annotations

from typing import Any

from torchvision.models import MNASNet

__all__ = ["PlainMNASNet"]


class PlainMNASNet(MNASNet):  # type: ignore[misc, unused-ignore]
    """(N, 3, H, W) -> (N, num_classes) logits. Weights without a version are taken for the current one.

    Tan et al., "MnasNet: platform-aware neural architecture search for mobile", 2019 (arXiv:1807.11626).

    Args:
        alpha: multiplier of the channel counts.
        num_classes: number of classes.
    """

    def __init__(self, alpha: float, num_classes: int) -> None:
        super().__init__(alpha, num_classes)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        local_metadata.setdefault("version", self._version)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

"""Training: loop, losses, metrics, optimisation, checkpoints, pretrained weights and runs."""

from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.loop.loop import evaluate, fit
from toolkit.training.settings import Settings

__all__ = ["Checkpoint", "Settings", "evaluate", "fit"]

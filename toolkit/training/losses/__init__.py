"""Losses by name, torch's own with its own options, fitted to a network and a data set; see `LOSSES` and `make_loss`."""

from toolkit.training.losses.answer import Answer, find_answer
from toolkit.training.losses.loss import Loss
from toolkit.training.losses.make import LossFunction, find_loss, make_loss
from toolkit.training.losses.registry import LOSSES, LossEntry, default_loss

__all__ = [
    "LOSSES",
    "Answer",
    "Loss",
    "LossEntry",
    "LossFunction",
    "default_loss",
    "find_answer",
    "find_loss",
    "make_loss",
]

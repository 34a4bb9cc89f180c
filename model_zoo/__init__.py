"""Blocks and whole networks. Pure torch: nothing here knows of the builder, the trainer or the exporter."""

from model_zoo.lenet import LeNet
from model_zoo.mlp import MLP

__all__ = ["MLP", "LeNet"]

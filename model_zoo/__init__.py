"""Blocks and whole networks. Pure torch: nothing here knows of the builder, the trainer or the exporter."""

from model_zoo.action_model import ActionModel
from model_zoo.attention import MultiheadAttention
from model_zoo.diffusion import DiffusionModel
from model_zoo.embedding_lstm import EmbeddingLSTM
from model_zoo.inception import Inception
from model_zoo.lenet import LeNet
from model_zoo.mlp import MLP
from model_zoo.recurrent import GRU, LSTM, RNN
from model_zoo.recurrent_cells import GRUCell, LSTMCell, RNNCell
from model_zoo.residual import ResidualBlock, ResidualBottleneck, residual_stage
from model_zoo.transformer import TransformerEncoder, TransformerEncoderLayer
from model_zoo.unet import UNet
from model_zoo.vision import VISION_NETWORKS, mobilenet_backbone, vision_network

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "VISION_NETWORKS",
    "ActionModel",
    "DiffusionModel",
    "EmbeddingLSTM",
    "GRUCell",
    "Inception",
    "LSTMCell",
    "LeNet",
    "MultiheadAttention",
    "RNNCell",
    "ResidualBlock",
    "ResidualBottleneck",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "UNet",
    "mobilenet_backbone",
    "residual_stage",
    "vision_network",
]

"""Blocks and whole networks. Pure torch: no imports from the builder, the trainer or the exporter."""

from model_zoo.layers.attention import MultiheadAttention
from model_zoo.layers.recurrent import GRU, LSTM, RNN
from model_zoo.layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from model_zoo.layers.residual import ResidualBlock, ResidualBottleneck, residual_stage
from model_zoo.networks.action_model import ActionModel
from model_zoo.networks.diffusion import DiffusionModel
from model_zoo.networks.embedding_lstm import EmbeddingLSTM
from model_zoo.networks.inception import Inception
from model_zoo.networks.lenet import LeNet
from model_zoo.networks.mlp import MLP
from model_zoo.networks.transformer import TransformerEncoder, TransformerEncoderLayer
from model_zoo.networks.unet import UNet
from model_zoo.networks.vision import VISION_NETWORKS, mobilenet_backbone, vision_network

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

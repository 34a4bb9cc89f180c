"""Examples of each layer and activation, for the reference page and for tests that build, train and export them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from model_zoo import VISION_NETWORKS
from toolkit.builder.spec import LayerSpec, NetworkSpec

__all__ = ["ACTIVATION_EXAMPLES", "EXAMPLES", "VISION_EXAMPLES", "ActivationExample", "LayerExample"]

Layers = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class LayerExample:
    """One layer in a network that it fits.

    Attributes:
        input_shape: of one input, without the batch axis.
        arguments: of the layer, as `add()` takes them.
        before: layers that must come before it.
        dtype: of the input.
        vocabulary: number of tokens, where the layer wants one.
        num_classes: where the layer wants it.
    """

    input_shape: tuple[int, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    before: Layers = ()
    dtype: Literal["float32", "int64"] = "float32"
    vocabulary: int | None = None
    num_classes: int | None = None

    def spec(self, name: str, *behind: tuple[str, Mapping[str, Any]]) -> NetworkSpec:
        """Spec of the example network: the layers of `before`, the layer itself, then those of `behind`."""
        entries = (*self.before, (name, self.arguments), *behind)
        layers = tuple(
            LayerSpec.parse(layer, arguments, None, position)
            for position, (layer, arguments) in enumerate(entries, start=1)
        )
        return NetworkSpec(
            self.input_shape,
            layers,
            input_dtype=self.dtype,
            num_classes=self.num_classes,
            vocabulary=self.vocabulary,
        )

    def inputs(self, rows: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random inputs (rows, *input_shape): normal float32; or int64 tokens, every other row ending in padding 0."""
        if self.dtype == "float32":
            return torch.randn(rows, *self.input_shape, generator=generator)
        tokens = torch.randint(1, self.vocabulary or 2, (rows, *self.input_shape), generator=generator)
        tokens[::2, -(self.input_shape[-1] // 2) :] = 0
        return tokens


@dataclass(frozen=True)
class ActivationExample:
    """An activation with options worth showing.

    Attributes:
        options: as they stand beside the name.
        input_shape: of one input, without the batch axis.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (6,)

    @property
    def size(self) -> int:
        """Number of values per input."""
        return math.prod(self.input_shape)


_PICTURE, _SEQUENCE, _SIGNAL, _VOLUME, _TOKENS = (4, 12, 13), (9, 6), (4, 15), (4, 8, 9, 10), (8,)
_POOL = (("maxpool", {"kernel_size": 2, "return_indices": True}),)
_POOL1D = (("maxpool1d", {"kernel_size": 3, "stride": 2, "return_indices": True}),)

EXAMPLES: dict[str, LayerExample] = {
    # convolution
    "conv1d": LayerExample(_SIGNAL, {"size": (4, 6), "kernel_size": 3, "padding": 1, "stride": 2}),
    "conv2d": LayerExample(
        _PICTURE,
        {"size": (4, 6), "kernel_size": (3, 2), "stride": (1, 2), "padding": 1, "dilation": (1, 2), "groups": 2},
    ),
    "conv3d": LayerExample(_VOLUME, {"size": (4, 6), "kernel_size": 3, "padding": 1, "padding_mode": "replicate"}),
    "conv_transpose1d": LayerExample(
        _SIGNAL, {"size": (4, 6), "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
    ),
    "conv_transpose2d": LayerExample(
        _PICTURE, {"size": (4, 6), "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2}
    ),
    "conv_transpose3d": LayerExample(_VOLUME, {"size": (4, 6), "kernel_size": 2, "stride": 2}),
    "depthwise_conv2d": LayerExample(_PICTURE, {"size": (4, 8), "kernel_size": 3, "padding": "same"}),
    "separable_conv2d": LayerExample(_PICTURE, {"size": (4, 6), "kernel_size": 3, "padding": 1, "multiplier": 2}),
    # pooling
    "maxpool1d": LayerExample(_SIGNAL, {"kernel_size": 3, "stride": 2, "padding": 1}),
    "maxpool": LayerExample(_PICTURE, {"kernel_size": (3, 2), "stride": 2, "padding": 1, "ceil_mode": True}),
    "maxpool3d": LayerExample(_VOLUME, {"kernel_size": 2, "dilation": 2}),
    "avgpool1d": LayerExample(_SIGNAL, {"kernel_size": 3, "stride": 2, "padding": 1}),
    "avgpool": LayerExample(_PICTURE, {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    "avgpool3d": LayerExample(_VOLUME, {"kernel_size": 2}),
    "adaptive_avgpool1d": LayerExample(_SIGNAL, {"output_size": 4}),
    "adaptive_avgpool2d": LayerExample(_PICTURE, {"output_size": (5, 3)}),
    "adaptive_avgpool3d": LayerExample(_VOLUME, {"output_size": (3, None, 4)}),
    "adaptive_maxpool1d": LayerExample(_SIGNAL, {"output_size": 4}),
    "adaptive_maxpool2d": LayerExample(_PICTURE, {"output_size": (5, 3)}),
    "adaptive_maxpool3d": LayerExample(_VOLUME, {"output_size": (3, None, 4)}),
    "global_avgpool": LayerExample(_PICTURE),
    "global_maxpool": LayerExample(_PICTURE),
    "maxunpool1d": LayerExample(_SIGNAL, {}, _POOL1D),
    "maxunpool2d": LayerExample(_PICTURE, {"kernel_size": 2}, _POOL),
    # linear
    "linear": LayerExample((6,), {"size": (6, 5)}),
    "bilinear": LayerExample((7,), {"size": (3, 4, 5)}),
    # shaping
    "identity": LayerExample((6,)),
    "flatten": LayerExample(_PICTURE),
    "reshape": LayerExample(_PICTURE, {"size": (12, -1)}),
    "squeeze": LayerExample((1, 6), {"dim": 1}),
    "unsqueeze": LayerExample((6,), {"dim": 1}),
    "permute": LayerExample(_SEQUENCE, {"dims": (0, 2, 1)}),
    "transpose": LayerExample(_SEQUENCE, {"dim0": 1, "dim1": 2}),
    "part0": LayerExample((6,)),
    "upsample": LayerExample(_PICTURE, {"scale_factor": 2, "mode": "bilinear", "align_corners": False}),
    # padding
    "zero_pad": LayerExample(_PICTURE, {"padding": (1, 2, 3, 0)}),
    "constant_pad": LayerExample(_SIGNAL, {"padding": (2, 1), "value": 0.5}),
    "reflection_pad": LayerExample(_PICTURE, {"padding": 2}),
    "replication_pad": LayerExample(_VOLUME, {"padding": 1}),
    # dropout
    "dropout": LayerExample((6,), {"p": 0.2}),
    "dropout1d": LayerExample(_SIGNAL, {"p": 0.2}),
    "dropout2d": LayerExample(_PICTURE, {"p": 0.2}),
    "dropout3d": LayerExample(_VOLUME, {"p": 0.2}),
    "alpha_dropout": LayerExample((6,), {"p": 0.2}),
    # normalisation
    "batchnorm1d": LayerExample((6,), {"size": 6}),
    "batchnorm2d": LayerExample(_PICTURE, {"size": 4}),
    "batchnorm3d": LayerExample(_VOLUME, {"size": 4}),
    "layernorm": LayerExample(_SEQUENCE),
    "groupnorm": LayerExample(_PICTURE, {"num_groups": 2}),
    "instancenorm1d": LayerExample(_SIGNAL, {"affine": True}),
    "instancenorm2d": LayerExample(_PICTURE, {"affine": True}),
    "instancenorm3d": LayerExample(_VOLUME, {"affine": True}),
    "local_response_norm": LayerExample(_PICTURE, {"size": 3}),
    # tokens
    "embedding": LayerExample(_TOKENS, {"size": (20, 6), "padding_idx": 0}, dtype="int64", vocabulary=20),
    "masking": LayerExample(_SEQUENCE, {"value": 0.0}),
    # recurrent
    "rnn": LayerExample(_SEQUENCE, {"size": (6, 5), "nonlinearity": "relu"}),
    "lstm": LayerExample(_SEQUENCE, {"size": (6, 5), "num_layers": 2, "bidirectional": True}),
    "gru": LayerExample(
        _TOKENS,
        {"size": (6, 5), "bidirectional": True, "last_step": True},
        (("embedding", {"size": (20, 6), "padding_idx": 0}),),
        dtype="int64",
        vocabulary=20,
    ),
    "rnn_cell": LayerExample(_SEQUENCE, {"size": (6, 5)}),
    "lstm_cell": LayerExample(_SEQUENCE, {"size": (6, 5), "last_step": True}),
    "gru_cell": LayerExample(_SEQUENCE, {"size": (6, 5), "bidirectional": True}),
    "em_lstm": LayerExample(_TOKENS, {"size": (6, 5), "num_layers": 2}, dtype="int64", vocabulary=20),
    "action_model": LayerExample((5, 12), {"size": (12, 8)}),
    # attention
    "multihead_attention": LayerExample(
        _TOKENS,
        {"num_heads": 2},
        (("embedding", {"size": (20, 6), "padding_idx": 0}),),
        dtype="int64",
        vocabulary=20,
    ),
    "transformer_encoder": LayerExample(
        _TOKENS,
        {"num_heads": 2, "num_layers": 2, "dim_feedforward": 12},
        (("embedding", {"size": (20, 6), "padding_idx": 0}),),
        dtype="int64",
        vocabulary=20,
    ),
    # blocks and whole networks
    "res_block": LayerExample(_PICTURE, {"size": (4, 6), "num_blocks": 2, "stride": 2}),
    "res_bottleneck": LayerExample(_PICTURE, {"size": (4, 3), "num_blocks": 2, "stride": 2}),
    "inception": LayerExample(_PICTURE, {"size": (4, 16)}),
    "lenet": LayerExample((2, 12, 13), num_classes=3),
    "mlp": LayerExample(_PICTURE, {"out_features": 3, "hidden": (5,)}),
    "unet": LayerExample((3, 13, 10), {"size": (3, 4), "depth": 2, "width": 4}),
    "diffusion_model": LayerExample((2, 9, 9), {"timestep": 20, "dim": 8, "dim_mults": (1, 2)}),
    "mobilenet": LayerExample((3, 33, 40), num_classes=3),
    "mobilenet_backbone": LayerExample((1, 40, 33)),
}

# torchvision's networks take long to train and export: apart from the rest, on pictures as small as each one takes.
_SIDES = {"inception_v3": 75, "maxvit_t": 224, "vit_h_14": 56}
VISION_EXAMPLES: dict[str, LayerExample] = {
    name: LayerExample((3, _SIDES.get(name, 64), _SIDES.get(name, 64)), num_classes=3) for name in VISION_NETWORKS
}

ACTIVATION_EXAMPLES: dict[str, ActivationExample] = {
    "relu": ActivationExample(),
    "relu6": ActivationExample(),
    "leakyrelu": ActivationExample({"negative_slope": 0.2}),
    "prelu": ActivationExample({"num_parameters": 6, "init": 0.1}),
    "rrelu": ActivationExample({"lower": 0.1, "upper": 0.3}),
    "elu": ActivationExample({"alpha": 0.5}),
    "selu": ActivationExample(),
    "celu": ActivationExample({"alpha": 0.5}),
    "gelu": ActivationExample({"approximate": "tanh"}),
    "silu": ActivationExample(),
    "mish": ActivationExample(),
    "hardswish": ActivationExample(),
    "sigmoid": ActivationExample(),
    "hardsigmoid": ActivationExample(),
    "logsigmoid": ActivationExample(),
    "tanh": ActivationExample(),
    "hardtanh": ActivationExample({"min_val": -2.0, "max_val": 0.5}),
    "softplus": ActivationExample({"beta": 2.0, "threshold": 10.0}),
    "softsign": ActivationExample(),
    "softmax": ActivationExample({}, (5, 3, 4)),
    "logsoftmax": ActivationExample({"dim": -1}, (3, 5)),
    "glu": ActivationExample({"dim": 1}),
    "threshold": ActivationExample({"threshold": 0.1, "value": -1.0}),
}

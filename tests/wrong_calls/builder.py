"""Wrong calls of `nn(...)`, of `add(...)` and of what shows a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from toolkit import nn
from wrong_calls import Call
from wrong_calls.small import KINDS, ROWS, add, network

PICTURE = (1, 8, 8)
ROW = (4,)
SEQUENCE = (5, 4)


class Plain(torch.nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, width)

    def forward(self, rows: torch.Tensor) -> Any:
        return self.linear(rows)


class NoBatch(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> Any:
        return rows.sum()


class Dictionary(Plain):
    def forward(self, rows: torch.Tensor) -> Any:
        return {"rows": self.linear(rows)}


def named_outputs(to: Path) -> Any:
    model = nn("cls", save_fold=to / "run")
    model.load_dataset(ROWS, KINDS)
    model.add(Dictionary)
    return model.train(epochs=1)


def two(shape: tuple[int, ...], first: dict[str, Any], second: dict[str, Any]) -> None:
    model = nn(input_shape=shape)
    model.add(**first)
    model.add(**second)


def _linear_alone() -> nn:
    model = nn()
    model.add("linear", size=(4, 3))
    return model


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("a task that does not exist", lambda to: nn("clas"), ("The task 'clas' is not known", "Did you mean 'cls'?")),
    ("a task that is None", lambda to: nn(None), ("The task None is not known", "Known names: classification")),
    ("an input shape with a zero", lambda to: nn(input_shape=(0, 3)), ("The input shape (0, 3) was given;", "whole numbers of at least 1 without the batch")),
    ("an input shape that is negative", lambda to: nn(input_shape=(-1,)), ("The input shape (-1,) was given;", "whole numbers of at least 1 without the batch")),
    ("an input shape that is a number", lambda to: nn(input_shape=5), ("The input shape 5 was given;", "whole numbers of at least 1 without the batch")),
    ("an input shape of floats", lambda to: nn(input_shape=(1.0, 8)), ("The input shape (1.0, 8) was given;", "whole numbers of at least 1 without the batch")),
    ("an input shape of bools", lambda to: nn(input_shape=(True, True)), ("The input shape (True, True) was given;", "whole numbers of at least 1 without the batch")),
    ("an initialisation that does not exist", lambda to: nn(init="xavier"), ("the network's init: there is no", "Did you mean 'xavier_normal' or")),
    ("an initialisation with an unknown option", lambda to: nn(init={"name": "normal", "sd": 1}), ("the network's init 'normal': there is no", "Did you mean 'std'?")),
    ("an initialisation with a text option", lambda to: nn(init={"name": "normal", "std": "1"}), ("the network's init 'normal': std='1' was", "a number of at least 0 is expected")),
    ("an initialisation that is a number", lambda to: nn(init=3), ("the network's init: there is no", "Known names: constant")),
    ("a negative seed", lambda to: nn().set_seed(-1), ("seed=-1 was given;", "a whole number from 0 to 4294967295 is")),
    ("a seed that is a float", lambda to: nn().set_seed(1.5), ("seed=1.5 was given;", "a whole number from 0 to 4294967295 is")),
    ("a seed that is a bool", lambda to: nn().set_seed(True), ("seed=True was given;", "a whole number from 0 to 4294967295 is")),
    ("nothing to add", lambda to: nn().add(), ("add() was given neither a layer nor an", "Name one, such as add('linear', size=(4, 3))")),
    ("a layer that does not exist", lambda to: add(PICTURE, "conv2", size=(1, 2), kernel_size=3), ("There is no layer 'conv2'", "Did you mean 'conv2d' or 'conv3d' or 'conv1d'?")),
    ("a layer that is a number", lambda to: add(PICTURE, 7), ("There is no layer 7", "Known names: action_model")),
    ("a layer that is empty", lambda to: add(PICTURE, ""), ("There is no layer ''", "Known names: action_model")),
    ("a torch function as a layer", lambda to: add(PICTURE, torch.relu), ("layer 1 'relu' does not fit its input (N, 1", '1 required positional arguments: "input"')),
    ("a layer's argument that does not exist", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel=3), ("layer 1 'conv2d': there is no argument", "Did you mean 'kernel_size'?")),
    ("a convolution without kernel_size", lambda to: add(PICTURE, "conv2d", size=(1, 2)), ("layer 1 'conv2d': the argument kernel_size is", "a whole number or (int, int) is expected")),
    ("a convolution without size", lambda to: add(PICTURE, "conv2d", kernel_size=3), ("layer 1 'conv2d': the argument size is", "a whole number or (int, int) is expected")),
    ("a size of zero", lambda to: add(ROW, "linear", size=(0, 3)), ("layer 1 'linear': size=(0, 3) was given;", "whole numbers of at least 1 are expected")),
    ("a negative size", lambda to: add(ROW, "linear", size=(4, -3)), ("layer 1 'linear': size=(4, -3) was given;", "whole numbers of at least 1 are expected")),
    ("a size of floats", lambda to: add(ROW, "linear", size=(4.0, 3.0)), ("layer 1 'linear': size=(4.0, 3.0) was given;", "a whole number or (int, int) is expected")),
    ("a size of texts", lambda to: add(ROW, "linear", size=("4", "3")), ("layer 1 'linear': size=('4', '3') was given;", "a whole number or (int, int) is expected")),
    ("a size of bools", lambda to: add(ROW, "linear", size=(True, 3)), ("layer 1 'linear': size=(True, 3) was given;", "a whole number or (int, int) is expected")),
    ("a size of three for linear", lambda to: add(ROW, "linear", size=(4, 3, 2)), ("layer 1 'linear': size=(4, 3, 2) was given;", "a whole number or (int, int) is expected")),
    ("an empty size", lambda to: add(ROW, "linear", size=()), ("layer 1 'linear': size=() was given;", "a whole number or (int, int) is expected")),
    ("linear that does not fit the input", lambda to: add(ROW, "linear", size=(5, 3)), ("layer 1 'linear': size=(5, 3) expects 5 input", "but it receives 4 (input shape (N, 4))")),
    ("linear that does not fit the layer before", lambda to: two(ROW, {"layer": "linear", "size": (4, 8)}, {"layer": "linear", "size": (10, 3)}), ("layer 2 'linear': size=(10, 3) expects 10", "but it receives 8 (input shape (N, 8))")),
    ("a huge size", lambda to: add(ROW, "linear", size=(4, 10**30)), ("layer 1 'linear' does not fit its input (N", 'with error "Overflow when unpacking long long')),
    ("a kernel larger than the picture", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=9), ("layer 1 'conv2d' does not fit its input (N", "Kernel size can't be greater than actual")),
    ("a window larger than the picture", lambda to: add(PICTURE, "maxpool", kernel_size=9), ("layer 1 'maxpool' does not fit its input (N", "Output size is too small")),
    ("a kernel of zero", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=0), ("layer 1 'conv2d': kernel_size=0 was given;", "whole numbers of at least 1 are expected")),
    ("a kernel of three lengths for 2d", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=(3, 3, 3)), ("layer 1 'conv2d': kernel_size=(3, 3, 3) was", "a whole number or (int, int) is expected")),
    ("a stride of zero", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, stride=0), ("layer 1 'conv2d': stride=0 was given;", "whole numbers of at least 1 are expected")),
    ("a negative stride", lambda to: add(PICTURE, "maxpool", kernel_size=2, stride=-1), ("layer 1 'maxpool': stride=-1 was given;", "whole numbers of at least 1 are expected")),
    ("a negative padding", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding=-1), ("layer 1 'conv2d': padding=-1 was given;", "whole numbers of at least 0 are expected")),
    ("a padding of an unknown word", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding="valid?"), ("layer 1 'conv2d': padding='valid?' was given;", "a whole number of at least 0 or (int, int) or")),
    ("padding same with a stride", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding="same", stride=2), ("layer 1 'conv2d' does not fit its input (N", "Give the padding in numbers")),
    ("a padding mode that does not exist", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding_mode="mirror"), ("layer 1 'conv2d': padding_mode='mirror' was", "'zeros' or 'reflect' or 'replicate' or")),
    ("circular padding wider than the picture", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding=20, padding_mode="circular"), ("layer 1 'conv2d' does not fit its input (N", "value causes wrapping around more than once")),
    ("pool padding above half the window", lambda to: add(PICTURE, "maxpool", kernel_size=2, padding=2), ("layer 1 'maxpool' does not fit its input (N", "is allowed: a window must hold a value")),
    ("groups that do not divide", lambda to: add((4, 8, 8), "conv2d", size=(4, 6), kernel_size=3, groups=4), ("layer 1 'conv2d' does not fit its input (N", "Choose a divisor of both")),
    ("groups of zero", lambda to: add((4, 8, 8), "conv2d", size=(4, 6), kernel_size=3, groups=0), ("layer 1 'conv2d': groups=0 was given;", "whole numbers of at least 1 are expected")),
    ("a dilation larger than the picture", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, dilation=5), ("layer 1 'conv2d' does not fit its input (N", "Kernel size can't be greater than actual")),
    ("bias that is a number", lambda to: add(ROW, "linear", size=(4, 3), bias=1), ("layer 1 'linear': bias=1 was given;", "True or False is expected")),
    ("a convolution of a row", lambda to: add(ROW, "conv2d", size=(4, 3), kernel_size=1), ("layer 1 'conv2d': (N, channels, height", "width) is expected, but it receives (N, 4)")),
    ("a 1d convolution of a picture", lambda to: add(PICTURE, "conv1d", size=(1, 3), kernel_size=1), ("layer 1 'conv1d': (N, channels, length) is", "is expected, but it receives (N, 1, 8, 8)")),
    ("a 3d convolution of a picture", lambda to: add(PICTURE, "conv3d", size=(1, 3), kernel_size=1), ("layer 1 'conv3d': (N, channels, depth", "is expected, but it receives (N, 1, 8, 8)")),
    ("a convolution of other channels", lambda to: add((3, 8, 8), "conv2d", size=(1, 2), kernel_size=3), ("layer 1 'conv2d': size=(1, 2) expects 1 input", "but it receives 3 (input shape (N, 3, 8, 8))")),
    ("an output padding as large as the stride", lambda to: add(PICTURE, "conv_transpose2d", size=(1, 2), kernel_size=3, output_padding=1), ("layer 1 'conv_transpose2d' does not fit its", "it must be smaller than the stride (=1) or")),
    ("a transposed convolution that leaves nothing", lambda to: add((1, 2, 2), "conv_transpose2d", size=(1, 2), kernel_size=1, padding=2), ("layer 1 'conv_transpose2d' does not fit its", "Output size is too small")),
    ("a depthwise convolution of no multiple", lambda to: add((4, 8, 8), "depthwise_conv2d", size=(4, 6), kernel_size=3), ("layer 1 'depthwise_conv2d' does not fit its", "Let size[1] be a multiple of 4")),
    ("unpooling without pooling", lambda to: add(PICTURE, "maxunpool2d"), ("layer 1 'maxunpool2d' does not fit its input", "each one is undone once")),
    ("unpooling without indices", lambda to: two(PICTURE, {"layer": "maxpool", "kernel_size": 2}, {"layer": "maxunpool"}), ("layer 2 'maxunpool2d' does not fit its input", "each one is undone once")),
    ("an adaptive pool of zero", lambda to: add(PICTURE, "adaptive_avgpool2d", output_size=0), ("layer 1 'adaptive_avgpool2d': output_size=0", "whole numbers of at least 1 are expected")),
    ("a reshape that does not fit", lambda to: add(PICTURE, "reshape", size=(5, -1)), ("layer 1 'reshape' does not fit its input (N", "Let the product be 64")),
    ("a reshape with two unknowns", lambda to: add(PICTURE, "reshape", size=(-1, -1)), ("layer 1 'reshape' does not fit its input (N", "lengths of at least 1 are expected, and -1")),
    ("a squeeze of a long axis", lambda to: add(PICTURE, "squeeze", dim=2), ("layer 1 'squeeze' does not fit its input (N", "only an axis of length 1 can")),
    ("a squeeze of the batch", lambda to: add(PICTURE, "squeeze", dim=0), ("layer 1 'squeeze' does not fit its input (N", "Give axis 1 or later")),
    ("a squeeze of an axis that does not exist", lambda to: add(PICTURE, "squeeze", dim=9), ("layer 1 'squeeze' does not fit its input (N", "an axis from 1 to 3 is expected, as axis 0 is")),
    ("an unsqueeze of the batch", lambda to: add(ROW, "unsqueeze", dim=0), ("layer 1 'unsqueeze' does not fit its input", "Give axis 1 or later")),
    ("a permutation that moves the batch", lambda to: add(SEQUENCE, "permute", dims=(1, 0, 2)), ("layer 1 'permute' does not fit its input (N", "the batch axis 0 must stay first")),
    ("a permutation that names an axis twice", lambda to: add(SEQUENCE, "permute", dims=(0, 1, 1)), ("layer 1 'permute' does not fit its input (N", "each of the axes 0 to 2 is expected once")),
    ("a permutation of other axes", lambda to: add(SEQUENCE, "permute", dims=(0, 2, 1, 3)), ("layer 1 'permute' does not fit its input (N", "each of the axes 0 to 2 is expected once")),
    ("flatten with a wrong axis", lambda to: add(SEQUENCE, "flatten", start_dim=7), ("layer 1 'flatten' does not fit its input (N", "to be in range of [-3, 2], but got 7)")),
    ("flatten with axes in the wrong order", lambda to: add(PICTURE, "flatten", start_dim=3, end_dim=1), ("layer 1 'flatten' does not fit its input (N", "args: start_dim cannot come after end_dim")),
    ("transpose of a text axis", lambda to: add(SEQUENCE, "transpose", dim0="a", dim1=1), ("layer 1 'transpose': dim0='a' was given;", "a whole number is expected")),
    ("an upsampling without size", lambda to: add(PICTURE, "upsample"), ("layer 1 'upsample' does not fit its input (N", "exactly one of them is expected")),
    ("an upsampling with size and factor", lambda to: add(PICTURE, "upsample", size=4, scale_factor=2), ("layer 1 'upsample' does not fit its input (N", "exactly one of them is expected")),
    ("an upsampling to nothing", lambda to: add(PICTURE, "upsample", scale_factor=0.01), ("layer 1 'upsample' does not fit its input (N", "1, 8, 8]) and output size [0, 0]")),
    ("an upsampling of an unknown mode", lambda to: add(PICTURE, "upsample", scale_factor=2, mode="cubic"), ("layer 1 'upsample': mode='cubic' was given;", "'nearest' or 'linear' or 'bilinear' or")),
    ("align_corners for nearest", lambda to: add(PICTURE, "upsample", scale_factor=2, align_corners=True), ("layer 1 'upsample' does not fit its input (N", "Leave it out")),
    ("a factor that is not a number", lambda to: add(PICTURE, "upsample", scale_factor=float("nan")), ("layer 1 'upsample': scale_factor=nan was", "a number above 0 or a list of numbers or None")),
    ("a reflection wider than the picture", lambda to: add(PICTURE, "reflection_pad", padding=8), ("layer 1 'reflection_pad' does not fit its", "of 8 positions can be mirrored by 7 at most")),
    ("a padding of three numbers", lambda to: add(PICTURE, "zero_pad", padding=(1, 2, 3)), ("layer 1 'zero_pad' does not fit its input (N", "one number, or a pair an axis is expected:")),
    ("a padding that takes all away", lambda to: add(PICTURE, "zero_pad", padding=-4), ("layer 1 'zero_pad': padding=-4 was given;", "whole numbers of at least 0 are expected")),
    ("a dropout of 2", lambda to: add(ROW, "dropout", p=2), ("layer 1 'dropout': p=2 was given;", "a number from 0 to 1 is expected")),
    ("a dropout below 0", lambda to: add(ROW, "dropout", p=-0.1), ("layer 1 'dropout': p=-0.1 was given;", "a number from 0 to 1 is expected")),
    ("a dropout that is not a number", lambda to: add(ROW, "dropout", p=float("nan")), ("layer 1 'dropout': p=nan was given;", "a number from 0 to 1 is expected")),
    ("a dropout that is a bool", lambda to: add(ROW, "dropout", p=True), ("layer 1 'dropout': p=True was given;", "a number from 0 to 1 is expected")),
    ("dropout2d of a row", lambda to: add(ROW, "dropout2d"), ("layer 1 'dropout2d': (N, channels, height", "width) is expected, but it receives (N, 4)")),
    ("a 2d normalisation of a row", lambda to: add(ROW, "batchnorm2d", size=4), ("layer 1 'batchnorm2d': (N, channels, height", "width) is expected, but it receives (N, 4)")),
    ("a normalisation of other channels", lambda to: add(PICTURE, "batchnorm2d", size=3), ("layer 1 'batchnorm2d': size=3 expects 3 input", "but it receives 1 (input shape (N, 1, 8, 8))")),
    ("groups of channels that do not divide", lambda to: add((4, 8, 8), "groupnorm", num_groups=3), ("layer 1 'groupnorm' does not fit its input", "Choose a divisor")),
    ("a layernorm of another size", lambda to: add(ROW, "layernorm", size=5), ("layer 1 'layernorm' does not fit its input", "[5], but got input of size torch.Size([2, 4])")),
    ("an instance normalisation of one pixel", lambda to: add((3, 1, 1), "instancenorm2d"), ("layer 1 'instancenorm2d' does not fit its", "got input size torch.Size([2, 3, 1, 1])")),
    ("an embedding of numbers that are no tokens", lambda to: two(ROW, {"layer": "linear", "size": (4, 3)}, {"layer": "embedding", "size": (4, 3)}), ("layer 2 'embedding': tokens are expected", "Load text, or leave the layer out")),
    ("a padding token outside of the vocabulary", lambda to: add((6,), "embedding", size=(4, 3), padding_idx=9), ("layer 1 'embedding' does not fit its input", "was given, but the tokens are 0 to 3")),
    ("a recurrent layer of a row", lambda to: add(ROW, "lstm", size=(4, 8)), ("layer 1 'lstm': (N, length, features) is", "features) is expected, but it receives (N, 4)")),
    ("a recurrent layer of other features", lambda to: add(SEQUENCE, "gru", size=(3, 8)), ("layer 1 'gru': size=(3, 8) expects 3 input", "but it receives 4 (input shape (N, 5, 4))")),
    ("a recurrent layer of no layers", lambda to: add(SEQUENCE, "gru", size=(4, 8), num_layers=0), ("layer 1 'gru': num_layers=0 was given;", "whole numbers of at least 1 are expected")),
    ("dropout in one recurrent layer", lambda to: add(SEQUENCE, "gru", size=(4, 8), dropout=0.5), ("layer 1 'gru' does not fit its input (N, 5", "Add layers, or a dropout behind")),
    ("a nonlinearity that does not exist", lambda to: add(SEQUENCE, "rnn", size=(4, 8), nonlinearity="sigmoid"), ("layer 1 'rnn': nonlinearity='sigmoid' was", "'tanh' or 'relu' is expected")),
    ("heads that do not divide", lambda to: add(SEQUENCE, "multihead_attention", num_heads=3), ("layer 1 'multihead_attention' does not fit", "size (=4) must be divisible by num_heads (=3)")),
    ("no heads", lambda to: add(SEQUENCE, "transformer_encoder", num_heads=0), ("layer 1 'transformer_encoder': num_heads=0", "whole numbers of at least 1 are expected")),
    ("a transformer with an odd width", lambda to: add((5, 3), "transformer_encoder", num_heads=3, positional="no"), ("layer 1 'transformer_encoder':", "'sinusoidal' or 'learned' or 'none' is")),
    ("res_block with no blocks", lambda to: add((3, 8, 8), "res_block", size=(3, 4), num_blocks=0), ("layer 1 'res_block': num_blocks=0 was given;", "whole numbers of at least 1 are expected")),
    ("a diffusion model of another size", lambda to: add((1, 8, 8), "diffusion_model", img_size=9), ("layer 1 'diffusion_model' does not fit its", "Resize them")),
    ("a diffusion model of no steps", lambda to: add((1, 8, 8), "diffusion_model", img_size=8, timestep=0), ("layer 1 'diffusion_model': timestep=0 was", "whole numbers of at least 1 are expected")),
    ("a lenet without number of classes", lambda to: add((1, 28, 28), "lenet", num_classes=0), ("layer 1 'lenet': num_classes=0 was given;", "whole numbers of at least 1 are expected")),
    ("a resnet of a row", lambda to: add(ROW, "resnet18", num_classes=3), ("layer 1 'resnet18': (N, channels, height", "width) is expected, but it receives (N, 4)")),
    ("an activation that does not exist", lambda to: add(ROW, "linear", size=(4, 3), activation="reluu"), ("There is no activation 'reluu'", "Did you mean 'relu' or 'rrelu' or 'relu6'?")),
    ("an activation that is a function", lambda to: add(ROW, "linear", size=(4, 3), activation=torch.relu), ("There is no activation", "Known names: celu")),
    ("an activation's option that does not exist", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "elu", "slope": 1}), ("layer 1 'elu': there is no argument 'slope'", "Known names: alpha")),
    ("an activation's option of another kind", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "elu", "alpha": "1"}), ("layer 1 'elu': alpha='1' was given;", "a number is expected")),
    ("an activation without a name", lambda to: add(ROW, "linear", size=(4, 3), activation={"alpha": 1.0}), ("layer 1: the activation {'alpha': 1.0} has no", "{'name': 'leakyrelu', 'negative_slope': 0.2}")),
    ("glu of an odd width", lambda to: add(ROW, "linear", size=(4, 3), activation="glu"), ("layer 1 'glu' does not fit its input (N, 3):", "must be even, but dimension 1 is size 3")),
    ("rrelu with its limits exchanged", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "rrelu", "lower": 1.0, "upper": 0.1}), ("layer 1 'rrelu' does not fit its input (N", "Exchange them")),
    ("a softmax over the batch", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "softmax", "dim": 0}), ("layer 1 'softmax' does not fit its input (N", "Give axis 1 or later")),
    ("hardtanh with its limits exchanged", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "hardtanh", "min_val": 2.0, "max_val": 1.0}), ("layer 1 'hardtanh' does not fit its input (N", "was given, which is not below max_val=1.0")),
    ("an initialisation of a layer without weights", lambda to: add(ROW, "dropout", init="zeros"), ("layer 1 'dropout': init='zeros' was given", "Leave init out")),
    ("an initialisation of an activation", lambda to: add(ROW, activation="relu", init="zeros"), ("layer 1: init='zeros' was given to an", "Give it to a layer")),
    ("a uniform initialisation from 1 to 0", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "uniform", "a": 1.0, "b": 0.0}), ("layer 1 init 'uniform': a=1.0 was given", "Exchange them")),
    ("a sparsity of 2", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "sparse", "sparsity": 2.0}), ("layer 1 init 'sparse': sparsity=2.0 was given;", "a number from 0 to 1 is expected")),
    ("an initialisation with an infinite number", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "constant", "value": float("inf")}), ("layer 1 init 'constant': value=inf was given;", "a number is expected")),
    ("a negative deviation", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "normal", "std": -1.0}), ("layer 1 init 'normal': std=-1.0 was given;", "a number of at least 0 is expected")),
    ("kaiming in an unknown mode", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "kaiming_normal", "mode": "fan"}), ("layer 1 init 'kaiming_normal': mode='fan' was", "'fan_in' or 'fan_out' is expected")),
    ("an own module that does not fit", lambda to: add((5,), Plain), ("layer 1 'Plain' does not fit its input (N", "shapes cannot be multiplied (2x5 and 4x3)")),
    ("an own module with an unknown argument", lambda to: add(ROW, Plain, wide=3), ("layer 1 'Plain' does not fit its input (N", "got an unexpected keyword argument 'wide'")),
    ("an own module's argument that JSON cannot hold", lambda to: add(ROW, Plain, width=object()), ("layer 1 'Plain': width=", "Or give a finished module: add(MyModule(...))")),
    ("an own module without batch", lambda to: add(ROW, NoBatch), ("layer 1 'NoBatch' does not fit its input (N", "a tensor with the batch axis first is expected")),
    ("arguments for an own module that is ready made", lambda to: add(ROW, Plain(), width=4), ("layer 1: width were given beside a finished", "Give the class: add(Plain, width=4)")),
    ("an optimiser that does not exist", lambda to: nn().add(optimizer="addam"), ("There is no optimiser 'addam'", "Did you mean 'adam' or 'radam' or 'nadam'?")),
    ("a network without layers", lambda to: nn(input_shape=(4,)).model, ("The network has no layers yet", "Add one, such as add('linear', size=(4, 3))")),
    ("a summary of a wrong shape", lambda to: _linear_alone().summary((5,)), ("layer 1 'linear': size=(4, 3) expects 4 input", "but it receives 5 (input shape (N, 5))")),
    ("a summary of a text", lambda to: _linear_alone().summary("4"), ("The input shape '4' was given;", "whole numbers of at least 1 without the batch")),
    ("a drawing of an unknown kind", lambda to: add(ROW, "linear", size=(4, 3)).draw(to / "network.gif"), ("was given;", "a file ending in .png or .svg is expected")),
    ("freezing a layer that does not exist", lambda to: add(ROW, "linear", size=(4, 3)).freeze("conv*"), ("No layer is called 'conv*'", "Known names: linear1")),
    ("unfreezing what is not frozen", lambda to: add(ROW, "linear", size=(4, 3)).unfreeze("linear"), ("unfreeze('linear'): it is not frozen", "Frozen are: none")),
    ("a head of no classes", lambda to: add(ROW, "linear", size=(4, 3)).change_head(0), ("num_classes=0 was given;", "a whole number of at least 1 is expected")),
    ("published weights of an own network", lambda to: add(ROW, "linear", size=(4, 3)).load_pretrained(), ("torchvision", "one is expected, such as add('resnet18'")),
    ("published weights that do not exist", lambda to: add((3, 32, 32), "resnet18", num_classes=3).load_pretrained("BEST"), ("resnet18 has no weights 'BEST'", "Known names: DEFAULT, IMAGENET1K_V1")),
    ("a layer after the data that does not fit", lambda to: network(to).add("conv2d", size=(3, 4), kernel_size=3), ("layer 3 'conv2d': (N, channels, height", "width) is expected, but it receives (N, 3)")),
    ("a misspelt argument of nn", lambda to: nn(savefold="x"), ("nn() has no argument 'savefold'", "Did you mean 'save_fold'?")),
    ("a number for the folder", lambda to: nn(save_fold=3), ("nn() was given save_fold=3;", "a path is expected")),
    ("a size without its name", lambda to: nn().add("linear", (4, 3), "relu"), ("add() was given (4, 3) for the activation", "Name the layer's arguments: add('linear'")),
    ("too many arguments", lambda to: network(to).set_seed(1, 2), ("set_seed() cannot be called so: too many", "It takes seed")),
    ("a missing argument", lambda to: nn().set_seed(), ("set_seed() was called without seed", "Give it: set_seed(seed=...)")),
    ("a seed that is a text", lambda to: nn().set_seed("7"), ("seed='7' was given;", "a whole number from 0 to 4294967295 is")),
    ("an optimiser in a list", lambda to: nn().add(optimizer=["adam"]), ("There is no optimiser ['adam']", "Did you mean 'adam' or 'radam' or 'nadam'?")),
    ("a drawing into a number", lambda to: add((4,), "linear", size=(4,3)).draw(3), ("draw() was given path=3;", "a path is expected")),
    ("a head of a text", lambda to: add((4,), "linear", size=(4,3)).change_head("3"), ("num_classes='3' was given;", "a whole number of at least 1 is expected")),
    ("an own module that gives a dictionary to tell classes apart", lambda to: named_outputs(to), ("The loss 'CrossEntropyLoss' does not fit: the network gives a dict.", "One tensor is expected.")),
]
# fmt: on

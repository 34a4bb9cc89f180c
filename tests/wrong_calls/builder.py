"""Wrong calls of `nn(...)` and `add(...)`."""

from __future__ import annotations

import torch
from wrong_calls import Call
from wrong_calls.small import add, network

from toolkit import nn

PICTURE = (1, 8, 8)
ROW = (4,)
SEQUENCE = (5, 4)


def two(shape, first, second):
    model = nn(input_shape=shape)
    model.add(**first)
    model.add(**second)


class Plain(torch.nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.linear = torch.nn.Linear(4, width)

    def forward(self, input):
        return self.linear(input)


class TwoOutputs(torch.nn.Module):
    def forward(self, input):
        return input, input


class NoBatch(torch.nn.Module):
    def forward(self, input):
        return input.sum()


CALLS: list[Call] = [
    ("a task that does not exist", lambda to: nn("clas"), ()),
    ("a task that is None", lambda to: nn(None), ()),
    ("an input shape with a zero", lambda to: nn(input_shape=(0, 3)), ()),
    ("an input shape that is negative", lambda to: nn(input_shape=(-1,)), ()),
    ("an input shape that is a number", lambda to: nn(input_shape=5), ()),
    ("an input shape of floats", lambda to: nn(input_shape=(1.0, 8)), ()),
    ("an input shape of bools", lambda to: nn(input_shape=(True, True)), ()),
    ("an initialisation that does not exist", lambda to: nn(init="xavier"), ()),
    ("an initialisation with an unknown option", lambda to: nn(init={"name": "normal", "sd": 1}), ()),
    ("an initialisation with a text option", lambda to: nn(init={"name": "normal", "std": "1"}), ()),
    ("an initialisation that is a number", lambda to: nn(init=3), ()),
    ("a negative seed", lambda to: nn().set_seed(-1), ()),
    ("a seed that is a float", lambda to: nn().set_seed(1.5), ()),
    ("a seed that is a bool", lambda to: nn().set_seed(True), ()),
    ("nothing to add", lambda to: nn().add(), ()),
    ("a layer that does not exist", lambda to: add(PICTURE, "conv2", size=(1, 2), kernel_size=3), ()),
    ("a layer that is a number", lambda to: add(PICTURE, 7), ()),
    ("a layer that is empty", lambda to: add(PICTURE, ""), ()),
    ("a torch function as a layer", lambda to: add(PICTURE, torch.relu), ()),
    ("a layer's argument that does not exist", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel=3), ()),
    ("a convolution without kernel_size", lambda to: add(PICTURE, "conv2d", size=(1, 2)), ()),
    ("a convolution without size", lambda to: add(PICTURE, "conv2d", kernel_size=3), ()),
    ("a size of zero", lambda to: add(ROW, "linear", size=(0, 3)), ()),
    ("a negative size", lambda to: add(ROW, "linear", size=(4, -3)), ()),
    ("a size of floats", lambda to: add(ROW, "linear", size=(4.0, 3.0)), ()),
    ("a size of texts", lambda to: add(ROW, "linear", size=("4", "3")), ()),
    ("a size of bools", lambda to: add(ROW, "linear", size=(True, 3)), ()),
    ("a size of three for linear", lambda to: add(ROW, "linear", size=(4, 3, 2)), ()),
    ("an empty size", lambda to: add(ROW, "linear", size=()), ()),
    ("linear that does not fit the input", lambda to: add(ROW, "linear", size=(5, 3)), ()),
    ("linear that does not fit the layer before", lambda to: two(ROW, {"layer": "linear", "size": (4, 8)}, {"layer": "linear", "size": (10, 3)}), ()),
    ("a huge size", lambda to: add(ROW, "linear", size=(4, 10**30)), ()),
    ("a kernel larger than the picture", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=9), ()),
    ("a window larger than the picture", lambda to: add(PICTURE, "maxpool", kernel_size=9), ()),
    ("a kernel of zero", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=0), ()),
    ("a kernel of three lengths for 2d", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=(3, 3, 3)), ()),
    ("a stride of zero", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, stride=0), ()),
    ("a negative stride", lambda to: add(PICTURE, "maxpool", kernel_size=2, stride=-1), ()),
    ("a negative padding", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding=-1), ()),
    ("a padding of an unknown word", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding="valid?"), ()),
    ("padding same with a stride", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding="same", stride=2), ()),
    ("a padding mode that does not exist", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding_mode="mirror"), ()),
    ("circular padding wider than the picture", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, padding=20, padding_mode="circular"), ()),
    ("pool padding above half the window", lambda to: add(PICTURE, "maxpool", kernel_size=2, padding=2), ()),
    ("groups that do not divide", lambda to: add((4, 8, 8), "conv2d", size=(4, 6), kernel_size=3, groups=4), ()),
    ("groups of zero", lambda to: add((4, 8, 8), "conv2d", size=(4, 6), kernel_size=3, groups=0), ()),
    ("a dilation larger than the picture", lambda to: add(PICTURE, "conv2d", size=(1, 2), kernel_size=3, dilation=5), ()),
    ("bias that is a number", lambda to: add(ROW, "linear", size=(4, 3), bias=1), ()),
    ("a convolution of a row", lambda to: add(ROW, "conv2d", size=(4, 3), kernel_size=1), ()),
    ("a 1d convolution of a picture", lambda to: add(PICTURE, "conv1d", size=(1, 3), kernel_size=1), ()),
    ("a 3d convolution of a picture", lambda to: add(PICTURE, "conv3d", size=(1, 3), kernel_size=1), ()),
    ("a convolution of other channels", lambda to: add((3, 8, 8), "conv2d", size=(1, 2), kernel_size=3), ()),
    ("an output padding as large as the stride", lambda to: add(PICTURE, "conv_transpose2d", size=(1, 2), kernel_size=3, output_padding=1), ()),
    ("a transposed convolution that leaves nothing", lambda to: add((1, 2, 2), "conv_transpose2d", size=(1, 2), kernel_size=1, padding=2), ()),
    ("a depthwise convolution of no multiple", lambda to: add((4, 8, 8), "depthwise_conv2d", size=(4, 6), kernel_size=3), ()),
    ("unpooling without pooling", lambda to: add(PICTURE, "maxunpool2d"), ()),
    ("unpooling without indices", lambda to: two(PICTURE, {"layer": "maxpool", "kernel_size": 2}, {"layer": "maxunpool"}), ()),
    ("an adaptive pool of zero", lambda to: add(PICTURE, "adaptive_avgpool2d", output_size=0), ()),
    ("a reshape that does not fit", lambda to: add(PICTURE, "reshape", size=(5, -1)), ()),
    ("a reshape with two unknowns", lambda to: add(PICTURE, "reshape", size=(-1, -1)), ()),
    ("a squeeze of a long axis", lambda to: add(PICTURE, "squeeze", dim=2), ()),
    ("a squeeze of the batch", lambda to: add(PICTURE, "squeeze", dim=0), ()),
    ("a squeeze of an axis that does not exist", lambda to: add(PICTURE, "squeeze", dim=9), ()),
    ("an unsqueeze of the batch", lambda to: add(ROW, "unsqueeze", dim=0), ()),
    ("a permutation that moves the batch", lambda to: add(SEQUENCE, "permute", dims=(1, 0, 2)), ()),
    ("a permutation that names an axis twice", lambda to: add(SEQUENCE, "permute", dims=(0, 1, 1)), ()),
    ("a permutation of other axes", lambda to: add(SEQUENCE, "permute", dims=(0, 2, 1, 3)), ()),
    ("flatten with a wrong axis", lambda to: add(SEQUENCE, "flatten", start_dim=7), ()),
    ("flatten with axes in the wrong order", lambda to: add(PICTURE, "flatten", start_dim=3, end_dim=1), ()),
    ("transpose of a text axis", lambda to: add(SEQUENCE, "transpose", dim0="a", dim1=1), ()),
    ("an upsampling without size", lambda to: add(PICTURE, "upsample"), ()),
    ("an upsampling with size and factor", lambda to: add(PICTURE, "upsample", size=4, scale_factor=2), ()),
    ("an upsampling to nothing", lambda to: add(PICTURE, "upsample", scale_factor=0.01), ()),
    ("an upsampling of an unknown mode", lambda to: add(PICTURE, "upsample", scale_factor=2, mode="cubic"), ()),
    ("align_corners for nearest", lambda to: add(PICTURE, "upsample", scale_factor=2, align_corners=True), ()),
    ("a factor that is not a number", lambda to: add(PICTURE, "upsample", scale_factor=float("nan")), ()),
    ("a reflection wider than the picture", lambda to: add(PICTURE, "reflection_pad", padding=8), ()),
    ("a padding of three numbers", lambda to: add(PICTURE, "zero_pad", padding=(1, 2, 3)), ()),
    ("a padding that takes all away", lambda to: add(PICTURE, "zero_pad", padding=-4), ()),
    ("a dropout of 2", lambda to: add(ROW, "dropout", p=2), ()),
    ("a dropout below 0", lambda to: add(ROW, "dropout", p=-0.1), ()),
    ("a dropout that is not a number", lambda to: add(ROW, "dropout", p=float("nan")), ()),
    ("a dropout that is a bool", lambda to: add(ROW, "dropout", p=True), ()),
    ("dropout2d of a row", lambda to: add(ROW, "dropout2d"), ()),
    ("a 2d normalisation of a row", lambda to: add(ROW, "batchnorm2d", size=4), ()),
    ("a normalisation of other channels", lambda to: add(PICTURE, "batchnorm2d", size=3), ()),
    ("a normalisation with eps 0", lambda to: add(PICTURE, "batchnorm2d", eps=-1.0), ()),
    ("groups of channels that do not divide", lambda to: add((4, 8, 8), "groupnorm", num_groups=3), ()),
    ("a layernorm of another size", lambda to: add(ROW, "layernorm", size=5), ()),
    ("an instance normalisation of one pixel", lambda to: add((3, 1, 1), "instancenorm2d"), ()),
    ("an embedding of numbers that are no tokens", lambda to: two(ROW, {"layer": "linear", "size": (4, 3)}, {"layer": "embedding", "size": (4, 3)}), ()),
    ("a padding token outside of the vocabulary", lambda to: add((6,), "embedding", size=(4, 3), padding_idx=9), ()),
    ("a recurrent layer of a row", lambda to: add(ROW, "lstm", size=(4, 8)), ()),
    ("a recurrent layer of other features", lambda to: add(SEQUENCE, "gru", size=(3, 8)), ()),
    ("a recurrent layer of no layers", lambda to: add(SEQUENCE, "gru", size=(4, 8), num_layers=0), ()),
    ("dropout in one recurrent layer", lambda to: add(SEQUENCE, "gru", size=(4, 8), dropout=0.5), ()),
    ("a nonlinearity that does not exist", lambda to: add(SEQUENCE, "rnn", size=(4, 8), nonlinearity="sigmoid"), ()),
    ("heads that do not divide", lambda to: add(SEQUENCE, "multihead_attention", num_heads=3), ()),
    ("no heads", lambda to: add(SEQUENCE, "transformer_encoder", num_heads=0), ()),
    ("a transformer with an odd width", lambda to: add((5, 3), "transformer_encoder", num_heads=3, positional="no"), ()),
    ("action_model with one number", lambda to: add((5, 132), "action_model", size=132), ()),
    ("mobilenet_backbone of grey pictures", lambda to: add(PICTURE, "mobilenet_backbone"), ()),
    ("res_block without its number", lambda to: add((3, 8, 8), "res_block", size=(3, 4)), ()),
    ("res_block with no blocks", lambda to: add((3, 8, 8), "res_block", size=(3, 4), num_blocks=0), ()),
    ("a diffusion model of another size", lambda to: add((1, 8, 8), "diffusion_model", img_size=9), ()),
    ("a diffusion model of no steps", lambda to: add((1, 8, 8), "diffusion_model", img_size=8, timestep=0), ()),
    ("a lenet without number of classes", lambda to: add((1, 28, 28), "lenet", num_classes=0), ()),
    ("a resnet of a row", lambda to: add(ROW, "resnet18", num_classes=3), ()),
    ("an activation that does not exist", lambda to: add(ROW, "linear", size=(4, 3), activation="reluu"), ()),
    ("an activation that is a function", lambda to: add(ROW, "linear", size=(4, 3), activation=torch.relu), ()),
    ("an activation's option that does not exist", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "elu", "slope": 1}), ()),
    ("an activation's option of another kind", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "elu", "alpha": "1"}), ()),
    ("an activation without a name", lambda to: add(ROW, "linear", size=(4, 3), activation={"alpha": 1.0}), ()),
    ("glu of an odd width", lambda to: add(ROW, "linear", size=(4, 3), activation="glu"), ()),
    ("rrelu with its limits exchanged", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "rrelu", "lower": 1.0, "upper": 0.1}), ()),
    ("a softmax over the batch", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "softmax", "dim": 0}), ()),
    ("threshold without its numbers", lambda to: add(ROW, "linear", size=(4, 3), activation="threshold"), ()),
    ("hardtanh with its limits exchanged", lambda to: add(ROW, "linear", size=(4, 3), activation={"name": "hardtanh", "min_val": 2.0, "max_val": 1.0}), ()),
    ("an initialisation of a layer without weights", lambda to: add(ROW, "dropout", init="zeros"), ()),
    ("an initialisation of an activation", lambda to: add(ROW, activation="relu", init="zeros"), ()),
    ("a uniform initialisation from 1 to 0", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "uniform", "a": 1.0, "b": 0.0}), ()),
    ("a sparsity of 2", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "sparse", "sparsity": 2.0}), ()),
    ("an initialisation with an infinite number", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "constant", "value": float("inf")}), ()),
    ("a negative deviation", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "normal", "std": -1.0}), ()),
    ("kaiming in an unknown mode", lambda to: add(ROW, "linear", size=(4, 3), init={"name": "kaiming_normal", "mode": "fan"}), ()),
    ("an own module that does not fit", lambda to: add((5,), Plain), ()),
    ("an own module with an unknown argument", lambda to: add(ROW, Plain, wide=3), ()),
    ("an own module's argument that JSON cannot hold", lambda to: add(ROW, Plain, width=object()), ()),
    ("an own module of two outputs", lambda to: add(ROW, TwoOutputs), ()),
    ("an own module without batch", lambda to: add(ROW, NoBatch), ()),
    ("arguments for an own module that is ready made", lambda to: add(ROW, Plain(), width=4), ()),
    ("an optimiser that does not exist", lambda to: nn().add(optimizer="addam"), ()),
    ("a network without layers", lambda to: nn(input_shape=(4,)).model, ()),
    ("a summary without the input's shape", lambda to: _linear_alone().summary(), ()),
    ("a summary of a wrong shape", lambda to: _linear_alone().summary((5,)), ()),
    ("a summary of a text", lambda to: _linear_alone().summary("4"), ()),
    ("a drawing of an unknown kind", lambda to: add(ROW, "linear", size=(4, 3)).draw(to / "network.gif"), ()),
    ("freezing a layer that does not exist", lambda to: add(ROW, "linear", size=(4, 3)).freeze("conv*"), ()),
    ("unfreezing what is not frozen", lambda to: add(ROW, "linear", size=(4, 3)).unfreeze("linear"), ()),
    ("a head of no classes", lambda to: add(ROW, "linear", size=(4, 3)).change_head(0), ()),
    ("published weights of an own network", lambda to: add(ROW, "linear", size=(4, 3)).load_pretrained(), ()),
    ("published weights that do not exist", lambda to: add((3, 32, 32), "resnet18", num_classes=3).load_pretrained("BEST"), ()),
    ("a layer after the data that does not fit", lambda to: network(to).add("conv2d", size=(3, 4), kernel_size=3), ()),
]


def _linear_alone():
    model = nn()
    model.add("linear", size=(4, 3))
    return model

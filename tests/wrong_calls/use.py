"""Wrong calls of a network that is used, kept, exported or looked into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from toolkit import nn, pth_info
from wrong_calls import Call
from wrong_calls.small import KINDS, NAN, PICTURES, ROWS, TOKENS, WORDS, network, table


def used(to: Path) -> nn:
    return network(to, shuffle=False)


def looking(to: Path) -> nn:
    model = nn(save_fold=to / "run")
    model.load_dataset(PICTURES, KINDS)
    model.add("conv2d", size=(1, 2), kernel_size=3)
    model.add("linear", size=3)
    return model


def generator(to: Path) -> nn:
    model = nn(save_fold=to / "run")
    model.load_dataset(PICTURES, KINDS)
    model.add("diffusion_model", img_size=8, timestep=20, dim=8)
    return model


def writer(to: Path) -> nn:
    model = nn(save_fold=to / "run")
    model.load_dataset(TOKENS, TOKENS, word2idx=WORDS)
    model.add("em_lstm", size=(4, 5))
    return model


def folder(to: Path) -> Path:
    (to / "empty").mkdir()
    return to / "empty"


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("using before anything", lambda to: nn().inference(ROWS), ("The network has no layers yet", "Add one, such as add('linear', size=(4, 3))")),
    ("using inputs of another shape", lambda to: used(to).inference(ROWS[:, :3]), ("The array has the shape (24, 3);", "prepared inputs of shape (N, 4) are expected")),
    ("using texts for a table", lambda to: used(to).inference([["a", "b", "c", "d"]]), ("The array of <U1 cannot be read as float32:", "not convert string to float: np.str_('a')")),
    ("using NaN", lambda to: used(to).inference(ROWS * NAN), ("The array holds NaN or infinity;", "Look for missing values in the data")),
    ("using nothing", lambda to: used(to).inference(), ("No input was given;", "inference(data) takes a picture's path, a")),
    ("using no rows", lambda to: used(to).inference([]), ("The array has the shape (0,);", "prepared inputs of shape (N, 4) are expected")),
    ("using a missing file", lambda to: used(to).inference(str(to / "none.png")), ("' was given;", "Read the file first")),
    ("printing no result", lambda to: nn().print_result(), ("There is no result yet", "Call inference(...) first")),
    ("printing a wrong result", lambda to: nn().print_result([[[1]]]), ("The result has the shape (1, 1, 1);", "show() draws pictures")),
    ("saving nothing", lambda to: nn().save(to / "x.pth"), ("The network has no layers yet", "Add one, such as add('linear', size=(4, 3))")),
    ("loading nothing", lambda to: nn().load(to / "none.pth"), ("does not exist", "it is looked up from")),
    ("loading a text", lambda to: nn().load(table(to, "x", "x.pth")), ("is not a checkpoint: Unsupported operand 120", "Fetch or save it again")),
    ("loading None", lambda to: nn().load(None), ("load() was given model_path=None;", "a path is expected")),
    ("telling of nothing", lambda to: pth_info(to / "none.pth"), ("does not exist", "it is looked up from")),
    ("converting to an unknown form", lambda to: used(to).convert(backend="tflite"), ("There is no backend 'tflite'", "Known names: onnx")),
    ("converting nothing", lambda to: nn().convert(to / "none.pth", to / "x.onnx"), ("does not exist", "it is looked up from")),
    ("converting to a text opset", lambda to: used(to).convert(out_file=to / "x.onnx", opset_version="10"), ("opset_version='10' was given;", "a whole number is expected, or None for the")),
    ("features of a layer that does not exist", lambda to: used(to).extract_feature(ROWS, layer="conv1"), ("The network has no layer 'conv1'", "Known names: linear1, linear2, relu1")),
    ("features of a network that does not exist", lambda to: used(to).extract_feature(ROWS, "resnet19"), ("There are no ready weights for 'resnet19'", "Did you mean 'resnet18' or 'resnet152' or")),
    ("a map of a row", lambda to: used(to).grad_cam(ROWS[:1]), ("The network's input (1, 4) has no height and", "Maps need a network for pictures, (1, C, H, W)")),
    ("a map of a class that does not exist", lambda to: used(to).grad_cam(ROWS[:1], target="z"), ("There is no class 'z';", "the network has 0, 1, 2")),
    ("a map of an unknown method", lambda to: used(to).grad_cam(ROWS[:1], method="cam++"), ("There is no method 'cam++'", "Did you mean 'cam' or 'gradcam++'?")),
    ("a look at many inputs", lambda to: used(to).visual_feature(ROWS), ("24 inputs were given;", "one is looked at at a time")),
    ("noise without diffusion", lambda to: used(to).noisy(PICTURES[0]), ("noisy() is for a diffusion model;", "add('diffusion_model', img_size=28) makes one")),
    ("showing too few", lambda to: nn(save_fold=to).show(np.zeros((3, 1, 8, 8))), ("size=(2, 2) has 4 places;", "Let rows x columns be 3")),
    ("using ragged rows", lambda to: used(to).inference([[1,2],[3]]), ("The model takes arrays of shape (4,);", "the data given is ragged")),
    ("using an empty folder", lambda to: looking(to).inference(str(folder(to))), ("The folder", "files ending in .avif .bmp .dib .gif .j2k")),
    ("using a loader of single values", lambda to: looking(to).inference(torch.utils.data.DataLoader([1,2,3])), ("The loader gives something else than pairs;", "(inputs, targets) in each batch are expected")),
    ("printing a text", lambda to: network(to).print_result("abc"), ("The result 'abc' was given;", "rows of numbers (N, K) are expected")),
    ("converting to None", lambda to: used(to).convert(backend=None), ("There is no backend None", "Known names: onnx")),
    ("a map of a class by a wrong number", lambda to: looking(to).grad_cam(PICTURES[0], target=7), ("target=7 was given;", "the network has 3 classes: a whole number")),
    ("a map of an unknown layer", lambda to: looking(to).grad_cam(PICTURES[0], layer="zz"), ("The network has no layer 'zz'", "Known names: conv2d1, flatten2, linear2")),
    ("a hook on an unknown layer", lambda to: looking(to).hook("zz").__enter__(), ("The network has no layer 'zz'", "Known names: conv2d1, flatten2, linear2")),
    ("noise of too many steps", lambda to: generator(to).noisy(PICTURES[0], timestep=99), ("timestep=99, num=10 was given;", "1 to 20 steps and at least one picture are")),
    ("noise in a text of pictures", lambda to: generator(to).noisy(PICTURES[0], timestep=5, num="a"), ("timestep=5, num='a' was given;", "1 to 20 steps and at least one picture are")),
    ("generating nothing", lambda to: generator(to).inference(num=0), ("num=0 was given;", "a whole number of pictures of at least 1 is")),
    ("showing in one number", lambda to: generator(to).show(np.zeros((4,1,8,8)), size=4), ("Pictures of shape (4, 1, 1, 8, 8) and size=4", "(num, steps, C, H, W) and (rows, columns) are")),
    ("a token outside of the vocabulary", lambda to: writer(to).inference("z"), ("'z' is not in the vocabulary of the network", "Give one of its tokens, or train with it")),
    ("a state that is a number", lambda to: writer(to).inference("a", hidden=3), ("hidden=3 was given;", "what inference returned with the token")),
    ("loading with modules in a text", lambda to: nn().load(to / "x.pth", modules="Plain"), ("modules='Plain' was given;", "a list of classes or instances is expected")),
]
# fmt: on

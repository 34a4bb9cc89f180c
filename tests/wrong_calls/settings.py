"""Wrong settings of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit import nn
from wrong_calls import Call
from wrong_calls.small import KINDS, NAN, ROWS, by_hand, network, train


def no_layers(to: Path) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(ROWS, KINDS)
    return model.train()


def no_data(to: Path) -> Any:
    model = nn(save_fold=to / "run")
    model.add("linear", size=(4, 3))
    return model.train()


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("training without data", no_data, ("There is no data to train on", "Load some first: load_img_data")),
    ("training without layers", no_layers, ("The network has no layers yet", "Add one, such as add('linear', size=(4, 3))")),
    ("no epochs", lambda to: train(to, epochs=0), ("epochs=0 was given;", "a whole number of at least 1 is expected")),
    ("epochs of a fraction", lambda to: train(to, epochs=1.5), ("epochs=1.5 was given;", "a whole number of at least 1 is expected")),
    ("epochs that are a bool", lambda to: train(to, epochs=True), ("epochs=True was given;", "a whole number of at least 1 is expected")),
    ("epochs that are a text", lambda to: train(to, epochs="3"), ("epochs='3' was given;", "a whole number of at least 1 is expected")),
    ("epochs None", lambda to: train(to, epochs=None), ("epochs=None was given;", "a whole number of at least 1 is expected")),
    ("a rate of NaN", lambda to: train(to, lr=NAN), ("lr=nan was given;", "a number above 0 is expected, such as 0.001")),
    ("a rate of zero", lambda to: train(to, lr=0), ("lr=0 was given;", "a number above 0 is expected, such as 0.001")),
    ("a negative rate", lambda to: train(to, lr=-0.1), ("lr=-0.1 was given;", "a number above 0 is expected, such as 0.001")),
    ("an infinite rate", lambda to: train(to, lr=float("inf")), ("lr=inf was given;", "a number above 0 is expected, such as 0.001")),
    ("a rate that is a text", lambda to: train(to, lr="0.1"), ("lr='0.1' was given;", "a number above 0 is expected, such as 0.001")),
    ("a rate that is a bool", lambda to: train(to, lr=True), ("lr=True was given;", "a number above 0 is expected, such as 0.001")),
    ("a rate that is a list", lambda to: train(to, lr=[0.1]), ("lr=[0.1] was given;", "a number above 0 is expected, such as 0.001")),
    ("a batch size of zero", lambda to: train(to, batch_size=0), ("batch_size=0 was given;", "a whole number of at least 1 is expected")),
    ("a batch size of a text", lambda to: train(to, batch_size="8"), ("batch_size='8' was given;", "a whole number of at least 1 is expected")),
    ("a negative batch size", lambda to: train(to, batch_size=-8), ("batch_size=-8 was given;", "a whole number of at least 1 is expected")),
    ("a setting that does not exist", lambda to: train(to, earlystopping=3), ("There is no setting 'earlystopping'", "Did you mean 'early_stopping'?")),
    ("a setting of the rate under another name", lambda to: train(to, learning_rate=0.1), ("There is no setting 'learning_rate'", "Known names: accumulate")),
    ("fp16 on the CPU", lambda to: train(to, precision="fp16"), ("precision='fp16' was given for a training on", "Use precision='bf16', or 'fp32'")),
    ("a precision that does not exist", lambda to: train(to, precision="half"), ("precision='half' was given", "Known names: bf16, fp16, fp32")),
    ("a precision that is a number", lambda to: train(to, precision=16), ("precision=16 was given", "Did you mean 'fp16' or 'bf16'?")),
    ("an average of 1", lambda to: train(to, ema=1), ("ema=1 was given;", "a number between 0 and 1 is expected, such as")),
    ("an average of 0", lambda to: train(to, ema=0), ("ema=0 was given;", "a number above 0 is expected, such as 0.001")),
    ("an average that is a bool", lambda to: train(to, ema=True), ("ema=True was given;", "a number above 0 is expected, such as 0.001")),
    ("early stopping of nothing", lambda to: train(to, early_stopping=0), ("early_stopping=0 was given;", "a whole number of at least 1 is expected")),
    ("early stopping that is a bool", lambda to: train(to, early_stopping=True), ("early_stopping=True was given;", "a whole number of at least 1 is expected")),
    ("min_delta below zero", lambda to: train(to, min_delta=-1), ("min_delta=-1 was given;", "a number of at least 0 is expected, such as")),
    ("a monitor that is not measured", lambda to: train(to, monitor="val_acc"), ("monitor='val_acc' was given, but an epoch of", "Did you mean 'acc'?")),
    ("a monitor that does not exist", lambda to: train(to, monitor="accuracy"), ("monitor='accuracy' was given, but an epoch of", "Known names: acc, loss")),
    ("a monitor that is a number", lambda to: train(to, monitor=3), ("monitor=3 was given;", "the name of a value is expected, such as")),
    ("no accumulation", lambda to: train(to, accumulate=0), ("accumulate=0 was given;", "a whole number of at least 1 is expected")),
    ("clipping at zero", lambda to: train(to, clip_norm=0), ("clip_norm=0 was given;", "a number above 0 is expected, such as 0.001")),
    ("clipping below zero", lambda to: train(to, clip_value=-1), ("clip_value=-1 was given;", "a number above 0 is expected, such as 0.001")),
    ("a negative decay", lambda to: train(to, weight_decay=-0.1), ("weight_decay=-0.1 was given;", "a number of at least 0 is expected, such as")),
    ("decay_all that is a text", lambda to: train(to, decay_all="no"), ("decay_all='no' was given;", "True or False is expected")),
    ("a negative warm-up", lambda to: train(to, warmup=-1), ("warmup=-1 was given;", "a number of at least 0 is expected, such as")),
    ("a warm-up as long as the training", lambda to: train(to, warmup=1), ("warmup=1 was given, but the training is 1", "Warm up over fewer, or train longer")),
    ("saving every 0 batches", lambda to: train(to, save_every=0), ("save_every=0 was given;", "a whole number of at least 1 is expected")),
    ("compile that is a text", lambda to: train(to, compile="yes"), ("compile='yes' was given;", "True or False is expected")),
    ("freezing what does not exist", lambda to: train(to, freeze=["conv*"]), ("No layer is called 'conv*'", "Known names: linear1, linear2, relu1")),
    ("freezing everything", lambda to: train(to, freeze=["*"]), ("The network has no weights to learn", "leave the last one out")),
    ("freeze that is a number", lambda to: train(to, freeze=3), ("freeze=3 was given;", "names of layers are expected, such as")),
    ("freeze of numbers", lambda to: train(to, freeze=[3]), ("freeze=[3] was given;", "names of layers are expected, such as")),
    ("rates of what does not exist", lambda to: train(to, rates={"conv*": 0.1}), ("No layer is called 'conv*'", "Known names: linear1, linear2, relu1")),
    ("rates that are negative", lambda to: train(to, rates={"linear1": -0.1}), ("rates['linear1']=-0.1 was given;", "a number of at least 0 is expected, such as")),
    ("rates that are a list", lambda to: train(to, rates=["linear1"]), ("rates=['linear1'] was given;", "a mapping is expected, such as {'backbone*':")),
    ("rates of zero everywhere", lambda to: train(to, rates={"*": 0.0}), ("rates={'*': 0.0} gives every layer a rate of", "Leave one out")),
    ("class weights of another number", lambda to: train(to, class_weights=[1.0, 2.0]), ("class_weights has 2 numbers;", "Give one for each, in the order 0, 1, 2")),
    ("class weights that are negative", lambda to: train(to, class_weights=[1.0, 2.0, -1.0]), ("class_weights=-1.0 was given;", "a number of at least 0 is expected, such as")),
    ("class weights of zero", lambda to: train(to, class_weights=[0.0, 0.0, 0.0]), ("class_weights=[0.0, 0.0, 0.0] was given;", "at least one number above 0 is expected, else")),
    ("class weights of an unknown kind", lambda to: train(to, class_weights="even"), ("class_weights='even' was given;", "'balanced' or one number a class is expected")),
    ("class weights for a regression", lambda to: train(to, "reg", class_weights="balanced"), ("class_weights was given for regression, whose", "Leave it out")),
    ("class weights for a loss without", lambda to: train(to, loss="mse", class_weights="balanced"), ("The loss 'MSELoss' does not fit: it takes no", "Leave class_weights out, or use one of:")),
    ("class weights for a loss of one's own", lambda to: train(to, loss=lambda o, t: o.sum(), class_weights="balanced"), ("The loss '<lambda>.<locals>.<lambda>' does", "Weigh the classes within the function")),
    ("balanced sampling of a regression", lambda to: train(to, "reg", sampling="balanced"), ("sampling='balanced' draws classes equally", "Use sampling='all'")),
    ("a sampling that does not exist", lambda to: train(to, sampling="even"), ("sampling='even' was given", "Known names: all, balanced")),
    ("a sampling that is None", lambda to: train(to, sampling=None), ("sampling=None was given", "Known names: all, balanced")),
    ("a folder that is a number", lambda to: by_hand(to, save_fold=3), ("save_fold=3 was given;", "a folder's path is expected")),
    ("a rate in words", lambda to: network(to).train("fast"), ("lr='fast' was given;", "a number above 0 is expected, such as 0.001")),
    ("rates that are NaN", lambda to: train(to, rates={"linear1": float("nan")}), ("rates['linear1']=nan was given;", "a number of at least 0 is expected, such as")),
    ("tensorboard that is a text", lambda to: train(to, tensorboard="yes"), ("train() was given tensorboard='yes';", "True or False is expected")),
    ("verbose that is a text", lambda to: train(to, verbose="no"), ("train() was given verbose='no';", "True or False is expected")),
    ("a file name that is a number", lambda to: train(to, filename=3), ("train() was given filename=3;", "a text or None is expected")),
    ("early stopping of a fraction", lambda to: train(to, early_stopping=2.5), ("early_stopping=2.5 was given;", "a whole number of at least 1 is expected")),
    ("freezing an unknown layer by its name", lambda to: train(to, freeze="zzz"), ("No layer is called 'zzz'", "Known names: linear1, linear2, relu1")),
]
# fmt: on

"""Wrong settings of a training, and wrong calls around it."""

from __future__ import annotations

import torch
from wrong_calls import Call
from wrong_calls.small import *

from toolkit import nn, pth_info
from toolkit.data.pairs import load_pairs

NAN = float("nan")


class TwoOutputs(torch.nn.Module):
    def forward(self, input):
        return input, input


class NoWeights(torch.nn.Module):
    def forward(self, input):
        return input[:, :3]


def own(to, *modules, **settings):
    model = nn(save_fold=to / "run")
    model.set_seed(0)
    model.load_dataset(ROWS, KINDS)
    for module in modules:
        model.add(module)
    return model.train(epochs=1, **settings)


def setup(to, task="cls", **kw):
    return network(to, task, **kw)


def earlier(to, **settings):
    """The run that is resumed."""
    model = network(to)
    model.save_fold = to / "earlier"
    model.train(**{"epochs": 1, "lr": 0.01, "verbose": False, **settings})
    return to / "earlier" / "last.pth"


def resume(to, change=lambda m: None, make=network, first=None, **settings):
    path = earlier(to, **(first or {}))
    model = make(to)
    change(model)
    return model.train(**{"epochs": 2, "lr": 0.01, "resume": path, **settings})


def other_data(to):
    model = nn(save_fold=to / "run")
    model.set_seed(0)
    model.load_dataset(ROWS + 1, KINDS)
    model.add("linear", size=(4, 8), activation="relu")
    model.add("linear", size=(8, 3))
    return model

def other_seed(to):
    model = nn(save_fold=to / "run")
    model.set_seed(1)
    model.load_dataset(ROWS, KINDS)
    model.add("linear", size=(4, 8), activation="relu")
    model.add("linear", size=(8, 3))
    return model

def other_network(to):
    model = nn(save_fold=to / "run")
    model.set_seed(0)
    model.load_dataset(ROWS, KINDS)
    model.add("linear", size=(4, 9), activation="relu")
    model.add("linear", size=(9, 3))
    return model

def start_other(to):
    path = earlier(to)
    return other_network(to).train(epochs=1, checkpoint=path)

def foreign(to):
    torch.save({"w": torch.zeros(3)}, to / "f.pth")
    return to / "f.pth"

def pickled(to):
    torch.save(torch.nn.Linear(2, 2), to / "f.pth")
    return to / "f.pth"

def cut(to):
    path = earlier(to)
    path.write_bytes(path.read_bytes()[:1000])
    return path

def no_training(to):
    m = network(to)
    m.save(to / "m.pth")
    return to / "m.pth"

def ctc(to, **kw):
    model = nn("dense", save_fold=to / "run")
    model.load_dataset(STEPS, STEP_KINDS)
    model.add("linear", size=(4, 4), flatten=False)
    return model.train(epochs=1, **kw)

def ctc_short(to):
    model = nn("dense", save_fold=to / "run")
    model.load_dataset(STEPS[:, :3], STEP_KINDS)
    model.add("linear", size=(4, 4), flatten=False)
    return model.train(epochs=1, loss={"name": "ctc", "blank": 3})

def pairs(to, **kw):
    model = nn("embedding", save_fold=to / "run")
    model._use(load_pairs(ROWS, ROWS[::-1].copy(), KINDS > 0), 32, 1.0, True)
    model.add("linear", size=(4, 8))
    return model.train(epochs=1, **kw)

def tokens(to, sparse=False, optimizer="adam", **kw):
    model = nn(save_fold=to / "run")
    model.load_dataset(TOKENS, KINDS[:8], word2idx=WORDS)
    model.add("embedding", size=(4, 3), sparse=sparse)
    model.add("flatten")
    model.add("linear", size=(18, 3))
    model.add(optimizer=optimizer)
    return model.train(epochs=1, **kw)

def big_batchnorm(to):
    model = nn(save_fold=to / "run")
    model.load_dataset(ROWS, KINDS, batch_size=23)
    model.add("linear", size=(4, 8))
    model.add("batchnorm1d", size=8)
    model.add("linear", size=(8, 3))
    return model.train(epochs=1)

def optimizer(to, setting, **kw):
    m = network(to)
    m.add(optimizer=setting)
    return m.train(epochs=1, **kw)

def huge(to):
    m = nn(save_fold=to / "run")
    m.load_dataset(ROWS, KINDS)
    m.add("linear", size=(4, 10**12))
    m.add("linear", size=(10**12, 3))
    return m.train(epochs=1)

def one_class(to):
    m = nn(save_fold=to / "run")
    m.load_dataset(ROWS, np.zeros(24, int))
    m.add("linear", size=(4, 1))
    return m.train(epochs=1)

def used(to):
    m = network(to)
    m.load_dataset(ROWS, KINDS, shuffle=False)
    return m

def no_layers(to):
    m = nn(save_fold=to/"run"); m.load_dataset(ROWS, KINDS); return m.train()

def no_data(to):
    m = nn(save_fold=to/"run"); m.add("linear", size=(4, 3)); return m.train()

def diffusion(to, **kw):
    m = nn(save_fold=to/"run"); m.load_dataset(PICTURES, KINDS); m.add("diffusion_model", img_size=8, timestep=20, dim=8); return m.train(epochs=1, metrics=[], **kw)

def file_for_folder(to):
    (to / "file").write_text("x")
    m = network(to); m.save_fold = to / "file"
    return m.train(epochs=1)

CALLS: list[Call] = [
    ("training without data", no_data, ()),
    ("training without layers", no_layers, ()),
    ("no epochs", lambda to: train(to, epochs=0), ()),
    ("epochs of a fraction", lambda to: train(to, epochs=1.5), ()),
    ("epochs that are a bool", lambda to: train(to, epochs=True), ()),
    ("epochs that are a text", lambda to: train(to, epochs="3"), ()),
    ("epochs None", lambda to: train(to, epochs=None), ()),
    ("a rate of NaN", lambda to: train(to, lr=NAN), ()),
    ("a rate of zero", lambda to: train(to, lr=0), ()),
    ("a negative rate", lambda to: train(to, lr=-0.1), ()),
    ("an infinite rate", lambda to: train(to, lr=float("inf")), ()),
    ("a rate that is a text", lambda to: train(to, lr="0.1"), ()),
    ("a rate that is a bool", lambda to: train(to, lr=True), ()),
    ("a rate that is a list", lambda to: train(to, lr=[0.1]), ()),
    ("a batch size of zero", lambda to: train(to, batch_size=0), ()),
    ("a batch size of a text", lambda to: train(to, batch_size="8"), ()),
    ("a negative batch size", lambda to: train(to, batch_size=-8), ()),
    ("a setting that does not exist", lambda to: train(to, earlystopping=3), ()),
    ("a setting of the rate under another name", lambda to: train(to, learning_rate=0.1), ()),
    ("fp16 on the CPU", lambda to: train(to, precision="fp16"), ()),
    ("a precision that does not exist", lambda to: train(to, precision="half"), ()),
    ("a precision that is a number", lambda to: train(to, precision=16), ()),
    ("an average of 1", lambda to: train(to, ema=1), ()),
    ("an average of 0", lambda to: train(to, ema=0), ()),
    ("an average that is a bool", lambda to: train(to, ema=True), ()),
    ("early stopping of nothing", lambda to: train(to, early_stopping=0), ()),
    ("early stopping that is a bool", lambda to: train(to, early_stopping=True), ()),
    ("min_delta below zero", lambda to: train(to, min_delta=-1), ()),
    ("a monitor that is not measured", lambda to: train(to, monitor="val_acc"), ()),
    ("a monitor that does not exist", lambda to: train(to, monitor="accuracy"), ()),
    ("a monitor that is a number", lambda to: train(to, monitor=3), ()),
    ("no accumulation", lambda to: train(to, accumulate=0), ()),
    ("accumulating more batches than there are", lambda to: train(to, accumulate=50), ()),
    ("clipping at zero", lambda to: train(to, clip_norm=0), ()),
    ("clipping below zero", lambda to: train(to, clip_value=-1), ()),
    ("a negative decay", lambda to: train(to, weight_decay=-0.1), ()),
    ("decay_all that is a text", lambda to: train(to, decay_all="no"), ()),
    ("a negative warm-up", lambda to: train(to, warmup=-1), ()),
    ("a warm-up as long as the training", lambda to: train(to, warmup=1), ()),
    ("saving every 0 batches", lambda to: train(to, save_every=0), ()),
    ("compile that is a text", lambda to: train(to, compile="yes"), ()),
    ("freezing what does not exist", lambda to: train(to, freeze=["conv*"]), ()),
    ("freezing everything", lambda to: train(to, freeze=["*"]), ()),
    ("freeze that is a number", lambda to: train(to, freeze=3), ()),
    ("freeze of numbers", lambda to: train(to, freeze=[3]), ()),
    ("rates of what does not exist", lambda to: train(to, rates={"conv*": 0.1}), ()),
    ("rates that are negative", lambda to: train(to, rates={"linear1": -0.1}), ()),
    ("rates that are a list", lambda to: train(to, rates=["linear1"]), ()),
    ("rates of zero everywhere", lambda to: train(to, rates={"*": 0.0}), ()),
    ("class weights of another number", lambda to: train(to, class_weights=[1.0, 2.0]), ()),
    ("class weights that are negative", lambda to: train(to, class_weights=[1.0, 2.0, -1.0]), ()),
    ("class weights of zero", lambda to: train(to, class_weights=[0.0, 0.0, 0.0]), ()),
    ("class weights of an unknown kind", lambda to: train(to, class_weights="even"), ()),
    ("class weights for a regression", lambda to: train(to, "reg", class_weights="balanced"), ()),
    ("class weights for a loss without", lambda to: train(to, loss="mse", class_weights="balanced"), ()),
    ("class weights for a loss of one's own", lambda to: train(to, loss=lambda o, t: o.sum(), class_weights="balanced"), ()),
    ("balanced sampling of a regression", lambda to: train(to, "reg", sampling="balanced"), ()),
    ("a sampling that does not exist", lambda to: train(to, sampling="even"), ()),
    ("a sampling that is None", lambda to: train(to, sampling=None), ()),
    ("a loss that does not exist", lambda to: train(to, loss="crossentropi"), ()),
    ("a loss that is a number", lambda to: train(to, loss=3), ()),
    ("a loss without a name", lambda to: train(to, loss={"margin": 1}), ()),
    ("a loss module's class", lambda to: train(to, loss=torch.nn.CrossEntropyLoss), ()),
    ("a loss's option that does not exist", lambda to: train(to, loss={"name": "mse", "smoothing": 0.1}), ()),
    ("label smoothing of 2", lambda to: train(to, loss={"name": "crossentropy", "label_smoothing": 2.0}), ()),
    ("label smoothing of a text", lambda to: train(to, loss={"name": "crossentropy", "label_smoothing": "0.1"}), ()),
    ("no reduction", lambda to: train(to, loss={"name": "crossentropy", "reduction": "none"}), ()),
    ("weights of a wrong length", lambda to: train(to, loss={"name": "crossentropy", "weight": [1.0, 2.0]}), ()),
    ("weights that are texts", lambda to: train(to, loss={"name": "crossentropy", "weight": ["a", "b", "c"]}), ()),
    ("cross-entropy of a regression", lambda to: train(to, "reg", loss="CrossEntropyLoss"), ()),
    ("cross-entropy of several labels", lambda to: train(to, "multilabel", loss="CrossEntropyLoss"), ()),
    ("NLL of plain outputs", lambda to: train(to, loss="NLLLoss"), ()),
    ("BCE without sigmoid", lambda to: train(to, "multilabel", loss="BCELoss"), ()),
    ("BCE of numbers", lambda to: train(to, "reg", "sigmoid", loss="BCELoss"), ()),
    ("BCE with a regression's logits", lambda to: train(to, "reg", loss="BCEWithLogitsLoss"), ()),
    ("a GaussianNLL of means alone", lambda to: train(to, "reg", loss="GaussianNLLLoss"), ()),
    ("a Poisson of negative counts", lambda to: train(to, "reg", loss="PoissonNLLLoss"), ()),
    ("KL of no distribution", lambda to: train(to, "reg", "softmax", loss="KLDivLoss"), ()),
    ("KL of plain outputs", lambda to: train(to, loss="KLDivLoss"), ()),
    ("a triplet of a regression", lambda to: train(to, "reg", loss="TripletMarginLoss"), ()),
    ("a negative margin", lambda to: train(to, loss={"name": "tripletmargin", "margin": -1.0}), ()),
    ("an unknown distance", lambda to: train(to, loss={"name": "TripletMarginWithDistance", "distance": "hamming"}), ()),
    ("multimargin with p 3", lambda to: train(to, loss={"name": "MultiMarginLoss", "p": 3}), ()),
    ("Huber with delta 0", lambda to: train(to, "reg", loss={"name": "HuberLoss", "delta": 0}), ()),
    ("smooth L1 with a negative beta", lambda to: train(to, "reg", loss={"name": "SmoothL1Loss", "beta": -1.0}), ()),
    ("CTC of a class an example", lambda to: train(to, loss="CTCLoss"), ()),
    ("CTC whose blank occurs", lambda to: ctc(to, loss="CTCLoss"), ()),
    ("CTC with too few steps", ctc_short, ()),
    ("CTC with a blank that does not exist", lambda to: ctc(to, loss={"name": "CTCLoss", "blank": 9}), ()),
    ("pairs with a triplet's loss", lambda to: pairs(to, loss="TripletMarginLoss"), ()),
    ("pairs with a classifier's loss", lambda to: pairs(to, loss="crossentropy"), ()),
    ("outputs of another number than classes", lambda to: train(to, outputs=4), ()),
    ("outputs of another number for margins", lambda to: train(to, outputs=4, loss="MultiMarginLoss"), ()),
    ("outputs of another number than targets", lambda to: train(to, "reg", outputs=2), ()),
    ("outputs of another number than labels", lambda to: train(to, "multilabel", outputs=2), ()),
    ("outputs of another number at each step", lambda to: train(to, "dense", outputs=2), ()),
    ("a softmax for a regression", lambda to: train(to, "reg", "softmax"), ()),
    ("a loss of one's own that gives a vector", lambda to: train(to, loss=lambda o, t: o.sum(1)), ()),
    ("a loss of one's own that fails", lambda to: train(to, loss=lambda o, t: o @ o), ()),
    ("a loss of one's own with a KeyError", lambda to: train(to, loss=lambda o, t: {}["x"]), ()),
    ("a loss of one's own that gives a number", lambda to: train(to, loss=lambda o, t: 1.0), ()),
    ("a loss of one's own that gives NaN", lambda to: train(to, loss=lambda o, t: o.sum() * NAN), ()),
    ("a loss of one's own that forgets the outputs", lambda to: train(to, loss=lambda o, t: torch.tensor(1.0)), ()),
    ("a loss of one's own of three arguments", lambda to: train(to, loss=lambda o, t, x: o.sum()), ()),
    ("another loss for diffusion", lambda to: diffusion(to, loss="mse"), ()),
    ("a loss of two outputs", lambda to: own(to, torch.nn.Linear(4, 3), TwoOutputs), ()),
    ("a network without weights", lambda to: own(to, NoWeights), ()),
    ("a metric that does not exist", lambda to: train(to, metrics=["acuracy"]), ()),
    ("a metric that is a number", lambda to: train(to, metrics=[3]), ()),
    ("metrics that are a number", lambda to: train(to, metrics=3), ()),
    ("a metric of a classifier for a regression", lambda to: train(to, "reg", metrics=["f1"]), ()),
    ("a metric of a regression for a classifier", lambda to: train(to, metrics=["r2"]), ()),
    ("a metric's option that does not exist", lambda to: train(to, metrics=[{"name": "acc", "k": 2}]), ()),
    ("an average that does not exist", lambda to: train(to, metrics=[{"name": "f1", "average": "mean"}]), ()),
    ("the best 0", lambda to: train(to, metrics=["top0"]), ()),
    ("the best 5 of 3 classes", lambda to: train(to, metrics=["top5"]), ()),
    ("a threshold of 2", lambda to: train(to, "multilabel", "sigmoid", metrics=[{"name": "acc", "threshold": 2}]), ()),
    ("an optimiser's option that does not exist", lambda to: optimizer(to, {"name": "sgd", "moment": 0.9}), ()),
    ("an optimiser's rate among its options", lambda to: optimizer(to, {"name": "sgd", "lr": 0.9}), ()),
    ("an optimiser's option out of range", lambda to: optimizer(to, {"name": "adam", "betas": [0.9, 1.5]}), ()),
    ("an optimiser's option of a wrong kind", lambda to: optimizer(to, {"name": "adam", "betas": 0.9}), ()),
    ("Nesterov without momentum", lambda to: optimizer(to, {"name": "sgd", "momentum": 0.0, "nesterov": True}), ()),
    ("a torch optimiser", lambda to: optimizer(to, torch.optim.SGD), ()),
    ("sparse Adam of dense weights", lambda to: optimizer(to, "sparseadam"), ()),
    ("Adam of sparse gradients", lambda to: tokens(to, sparse=True), ()),
    ("a decay for an optimiser without", lambda to: optimizer(to, "rprop", weight_decay=0.1), ()),
    ("LBFGS with two rates", lambda to: optimizer(to, "lbfgs", rates={"linear1": 0.1}), ()),
    ("LBFGS that accumulates", lambda to: optimizer(to, "lbfgs", accumulate=2), ()),
    ("LBFGS in bf16", lambda to: optimizer(to, "lbfgs", precision="bf16"), ()),
    ("a schedule that does not exist", lambda to: train(to, schedule="cosinus"), ()),
    ("a schedule's option that does not exist", lambda to: train(to, schedule={"name": "step", "size": 3}), ()),
    ("a schedule without its option", lambda to: train(to, schedule="multistep"), ()),
    ("a schedule's option out of range", lambda to: train(to, schedule={"name": "step", "step_size": 0}), ()),
    ("a schedule's option of a wrong kind", lambda to: train(to, schedule={"name": "step", "gamma": "0.1"}), ()),
    ("milestones that are texts", lambda to: train(to, schedule={"name": "multistep", "milestones": ["a"]}), ()),
    ("a schedule that is a number", lambda to: train(to, schedule=3), ()),
    ("a schedule's lambda by name", lambda to: train(to, schedule="lambda"), ()),
    ("a schedule of one's own that gives a text", lambda to: train(to, schedule=lambda e: "x"), ()),
    ("a schedule of one's own that fails", lambda to: train(to, schedule=lambda e: 1 / 0), ()),
    ("a schedule of one's own that gives NaN", lambda to: train(to, schedule=lambda e: NAN), ()),
    ("plateau with a factor of 2", lambda to: train(to, schedule={"name": "plateau", "factor": 2.0}), ()),
    ("one cycle of all warm-up", lambda to: train(to, schedule={"name": "onecycle", "pct_start": 1.0}), ()),
    ("a callback that is a text", lambda to: train(to, callbacks=["x"]), ()),
    ("callbacks that are a number", lambda to: train(to, callbacks=3), ()),
    ("a report that is a text", lambda to: train(to, report="x"), ()),
    ("facts that are objects", lambda to: train(to, facts={"a": object()}), ()),
    ("a file where the folder goes", file_for_folder, ()),
    ("a last batch of one for a normalisation", big_batchnorm, ()),
    ("a checkpoint that is missing", lambda to: train(to, checkpoint=to / "none.pth"), ()),
    ("a checkpoint of another network", start_other, ()),
    ("a checkpoint of foreign weights", lambda to: train(to, checkpoint=foreign(to)), ()),
    ("a checkpoint of a pickled module", lambda to: train(to, checkpoint=pickled(to)), ()),
    ("a checkpoint that is cut", lambda to: train(to, checkpoint=cut(to)), ()),
    ("a checkpoint that is a number", lambda to: train(to, checkpoint=3), ()),
    ("a checkpoint to resume that is missing", lambda to: train(to, resume=to / "none.pth"), ()),
    ("a foreign checkpoint to resume", lambda to: train(to, resume=foreign(to)), ()),
    ("a resumed network without training", lambda to: train(to, resume=no_training(to)), ()),
    ("resuming with another rate", lambda to: resume(to, lr=0.1), ()),
    ("resuming with other data", lambda to: resume(to, make=other_data), ()),
    ("resuming with another seed", lambda to: resume(to, make=other_seed), ()),
    ("resuming with another network", lambda to: resume(to, make=other_network), ()),
    ("resuming for fewer epochs", lambda to: resume(to, first={"epochs": 2}, epochs=1), ()),
    ("resuming a finished training", lambda to: resume(to, epochs=1), ()),
    ("resuming a longer one-cycle", lambda to: resume(to, first={"schedule": "onecycle"}, schedule="onecycle"), ()),
    ("resuming with another optimiser", lambda to: resume(to, lambda m: m.add(optimizer="sgd")), ()),
    ("resuming with a checkpoint", lambda to: resume(to, checkpoint=to / "earlier" / "last.pth"), ()),
    ("weights that are missing", lambda to: network(to).load_weights(to / "none.pth"), ()),
    ("weights that do not fit", lambda to: network(to).load_weights(foreign(to)), ()),
    ("finding a rate between wrong ends", lambda to: network(to).find_lr(start=1, end=0.1), ()),
    ("finding a rate in no steps", lambda to: network(to).find_lr(steps=0), ()),
    ("finding a rate with an unknown loss", lambda to: network(to).find_lr(loss="x"), ()),
    ("too large a network", huge, ()),
    ("one class alone", one_class, ()),
    ("using before anything", lambda to: nn().inference(ROWS), ()),
    ("using inputs of another shape", lambda to: used(to).inference(ROWS[:, :3]), ()),
    ("using texts for a table", lambda to: used(to).inference([["a", "b", "c", "d"]]), ()),
    ("using NaN", lambda to: used(to).inference(ROWS * NAN), ()),
    ("using nothing", lambda to: used(to).inference(), ()),
    ("using no rows", lambda to: used(to).inference([]), ()),
    ("using a missing file", lambda to: used(to).inference(str(to / "none.png")), ()),
    ("using shuffled batches", lambda to: network(to).inference(network(to).batches[0]), ()),
    ("printing no result", lambda to: nn().print_result(), ()),
    ("printing a wrong result", lambda to: nn().print_result([[[1]]]), ()),
    ("saving nothing", lambda to: nn().save(to / "x.pth"), ()),
    ("loading nothing", lambda to: nn().load(to / "none.pth"), ()),
    ("loading a text", lambda to: nn().load(table(to, "x", "x.pth")), ()),
    ("loading None", lambda to: nn().load(None), ()),
    ("telling of nothing", lambda to: pth_info(to / "none.pth"), ()),
    ("converting to an unknown form", lambda to: used(to).convert(backend="tflite"), ()),
    ("converting nothing", lambda to: nn().convert(to / "none.pth", to / "x.onnx"), ()),
    ("converting to opset 3", lambda to: used(to).convert(out_file=to / "x.onnx", opset_version=3), ()),
    ("converting to a text opset", lambda to: used(to).convert(out_file=to / "x.onnx", opset_version="10"), ()),
    ("features of a layer that does not exist", lambda to: used(to).extract_feature(ROWS, layer="conv1"), ()),
    ("features of a network that does not exist", lambda to: used(to).extract_feature(ROWS, "resnet19"), ()),
    ("a map of a row", lambda to: used(to).grad_cam(ROWS[:1]), ()),
    ("a map of a class that does not exist", lambda to: used(to).grad_cam(ROWS[:1], target="z"), ()),
    ("a map of an unknown method", lambda to: used(to).grad_cam(ROWS[:1], method="cam++"), ()),
    ("a look at many inputs", lambda to: used(to).visual_feature(ROWS), ()),
    ("noise without diffusion", lambda to: used(to).noisy(PICTURES[0]), ()),
    ("showing too few", lambda to: nn(save_fold=to).show(np.zeros((3, 1, 8, 8))), ()),
]

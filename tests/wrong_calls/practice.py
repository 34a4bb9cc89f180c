"""Optimisers, schedules, callbacks, checkpoints and folders that a training cannot use."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toolkit import nn
from wrong_calls import Call
from wrong_calls.small import KINDS, NAN, ROWS, TOKENS, WORDS, by_hand, network, train


def optimizer(to: Path, setting: Any, **settings: Any) -> Any:
    model = network(to)
    model.add(optimizer=setting)
    return model.train(epochs=1, **settings)


def tokens(to: Path, *, sparse: bool) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(TOKENS, KINDS[:8], word2idx=WORDS)
    model.add("embedding", size=(4, 3), sparse=sparse)
    model.add("linear", size=(18, 3))
    return model.train(epochs=1)


@functools.cache
def _trained(epochs: int, schedule: str) -> bytes:
    """What a training of `network` leaves as its last.pth."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(Path(folder))
        model.train(epochs=epochs, lr=0.01, schedule=schedule, verbose=False, filename=None)
        return Path(folder, "run", "last.pth").read_bytes()


def earlier(to: Path, epochs: int = 1, schedule: str = "constant") -> Path:
    path = to / "earlier.pth"
    path.write_bytes(_trained(epochs, schedule))
    return path


def resume(
    to: Path,
    *,
    make: Callable[[Path], nn] = network,
    change: Callable[[nn], Any] = lambda model: None,
    first: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    path = earlier(to, **(first or {}))
    model = make(to)
    change(model)
    return model.train(**{"epochs": 2, "lr": 0.01, "resume": path, **settings})


def _like(to: Path, rows: np.ndarray = ROWS, seed: int = 0, width: int = 8) -> nn:
    """`network`, but for one thing."""
    model = nn(save_fold=to / "run")
    model.set_seed(seed)
    model.load_dataset(rows, KINDS)
    model.add("linear", size=(4, width), activation="relu")
    model.add("linear", size=(width, 3))
    return model


def other_data(to: Path) -> nn:
    return _like(to, rows=ROWS + 1)


def other_seed(to: Path) -> nn:
    return _like(to, seed=1)


def other_network(to: Path) -> nn:
    return _like(to, width=9)


def start_other(to: Path) -> Any:
    return other_network(to).train(epochs=1, checkpoint=earlier(to))


def foreign(to: Path) -> Path:
    torch.save({"w": torch.zeros(3)}, to / "foreign.pth")
    return to / "foreign.pth"


def pickled(to: Path) -> Path:
    torch.save(torch.nn.Linear(2, 2), to / "pickled.pth")
    return to / "pickled.pth"


def cut(to: Path) -> Path:
    path = earlier(to)
    path.write_bytes(path.read_bytes()[:1000])
    return path


def no_training(to: Path) -> Path:
    network(to).save(to / "network.pth")
    return to / "network.pth"


def big_batchnorm(to: Path) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(ROWS, KINDS, batch_size=23)
    model.add("linear", size=(4, 8))
    model.add("batchnorm1d", size=8)
    model.add("linear", size=(8, 3))
    return model.train(epochs=1)


def huge(to: Path) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(ROWS, KINDS)
    model.add("linear", size=(4, 10**12))
    model.add("linear", size=(10**12, 3))
    return model.train(epochs=1)


def one_class(to: Path) -> Any:
    model = nn(save_fold=to / "run")
    model.load_dataset(ROWS, np.zeros(24, int))
    model.add("linear", size=(4, 1))
    return model.train(epochs=1)


def file_for_folder(to: Path) -> Any:
    (to / "file").write_text("x", encoding="utf-8")
    return by_hand(to, save_fold=to / "file")


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("an optimiser's option that does not exist", lambda to: optimizer(to, {"name": "sgd", "moment": 0.9}), ("The optimiser 'sgd' has no option 'moment'", "Did you mean 'momentum'?")),
    ("an optimiser's rate among its options", lambda to: optimizer(to, {"name": "sgd", "lr": 0.9}), ("The optimiser 'sgd' was given lr among its", "it is a setting of the training: train(lr=...)")),
    ("an optimiser's option out of range", lambda to: optimizer(to, {"name": "adam", "betas": [0.9, 1.5]}), ("The optimiser 'adam' cannot take {'betas':", "1.5]}: Invalid beta parameter at index 1: 1.5")),
    ("an optimiser's option of a wrong kind", lambda to: optimizer(to, {"name": "adam", "betas": 0.9}), ("The optimiser 'adam': betas=0.9 was given;", "a list of 2 numbers is expected")),
    ("Nesterov without momentum", lambda to: optimizer(to, {"name": "sgd", "momentum": 0.0, "nesterov": True}), ("The optimiser 'sgd' cannot take {'momentum':", "requires a momentum and zero dampening")),
    ("a torch optimiser", lambda to: optimizer(to, torch.optim.SGD), ("There is no optimiser <class", "Known names: adadelta")),
    ("sparse Adam of dense weights", lambda to: optimizer(to, "sparseadam"), ("The optimiser 'sparseadam' is for embeddings", "Freeze all other layers, or take adam")),
    ("Adam of sparse gradients", lambda to: tokens(to, sparse=True), ("The network has an embedding with", "Use one of sgd, adagrad, lbfgs without")),
    ("a decay for an optimiser without", lambda to: optimizer(to, "rprop", weight_decay=0.1), ("The optimiser 'rprop' takes no weight_decay;", "Leave weight_decay at 0")),
    ("LBFGS with two rates", lambda to: optimizer(to, "lbfgs", rates={"linear1": 0.1}), ("The optimiser 'lbfgs' has one learning rate", "leave rates= out or take another")),
    ("LBFGS that accumulates", lambda to: optimizer(to, "lbfgs", accumulate=2), ("The optimiser 'lbfgs' computes the loss", "Leave that out, or take another optimiser")),
    ("a schedule that does not exist", lambda to: train(to, schedule="cosinus"), ("There is no schedule 'cosinus'", "Did you mean 'cosine'?")),
    ("a schedule's option that does not exist", lambda to: train(to, schedule={"name": "step", "size": 3}), ("The schedule 'step' has no option 'size'", "Did you mean 'step_size'?")),
    ("a schedule without its option", lambda to: train(to, schedule="multistep"), ("The schedule 'multistep' needs milestones", "{'name': 'multistep', 'milestones': [10, 20]}")),
    ("a schedule's option out of range", lambda to: train(to, schedule={"name": "step", "step_size": 0}), ("The schedule 'step' was given step_size=0;", "a number above 0 is expected")),
    ("a schedule's option of a wrong kind", lambda to: train(to, schedule={"name": "step", "gamma": "0.1"}), ("The schedule 'step': gamma='0.1' was given;", "a number is expected")),
    ("milestones that are texts", lambda to: train(to, schedule={"name": "multistep", "milestones": ["a"]}), ("The schedule 'multistep' was given", "a number above 0 is expected")),
    ("a schedule that is a number", lambda to: train(to, schedule=3), ("There is no schedule 3", "Known names: constant")),
    ("a schedule's lambda by name", lambda to: train(to, schedule="lambda"), ("The schedule 'lambda' needs the function", "From JSON or TOML take 'linear', 'polynomial'")),
    ("a schedule of one's own that gives a text", lambda to: train(to, schedule=lambda e: "x"), ("The schedule's function cannot be used, at 0", "It gets the epochs done and gives a factor of")),
    ("a schedule of one's own that fails", lambda to: train(to, schedule=lambda e: 1 / 0), ("The schedule's function cannot be used, at 0", "It gets the epochs done and gives a factor of")),
    ("a schedule of one's own that gives NaN", lambda to: train(to, schedule=lambda e: NAN), ("The schedule's function gives nan at 0 epochs;", "a factor of the rate of at least 0 is expected")),
    ("plateau with a factor of 2", lambda to: train(to, schedule={"name": "plateau", "factor": 2.0}), ("The schedule 'plateau' was given factor=2.0;", "a number below 1 is expected, such as 0.1")),
    ("one cycle of all warm-up", lambda to: train(to, schedule={"name": "onecycle", "pct_start": 1.0}), ("The schedule 'onecycle' was given", "a share between 0 and 1 is expected")),
    ("a callback that is a text", lambda to: train(to, callbacks=["x"]), ("The callback 'x' can be called at no event", "Give a function of (event, training), or an")),
    ("callbacks that are a number", lambda to: train(to, callbacks=3), ("callbacks=3 was given;", "a list of functions is expected, such as")),
    ("a report that is a text", lambda to: train(to, report="x"), ("report='x' was given;", "a function that takes a line is expected")),
    ("facts that are objects", lambda to: train(to, facts={"a": object()}), ("was given;", "a number, a text or a list of these is")),
    ("a file where the folder goes", file_for_folder, ("The folder", "Choose another for the training")),
    ("a last batch of one for a normalisation", big_batchnorm, ("The last of the 24 examples is a batch by", "Choose a batch_size that leaves more for the")),
    ("a checkpoint that is missing", lambda to: train(to, checkpoint=to / "none.pth"), ("does not exist", "it is looked up from")),
    ("a checkpoint of another network", start_other, ("holds another network than the one assembled", "its weights do not fit")),
    ("a checkpoint of foreign weights", lambda to: train(to, checkpoint=foreign(to)), ("holds 1 weights without the network they", "or build it in Python, load them into it")),
    ("a checkpoint of a pickled module", lambda to: train(to, checkpoint=pickled(to)), ("holds pickled Python objects (Unsupported", "In the program that made it, save the weights")),
    ("a checkpoint that is cut", lambda to: train(to, checkpoint=cut(to)), ("is cut short: its end is missing", "Fetch or save it again")),
    ("a checkpoint that is a number", lambda to: train(to, checkpoint=3), ("train() was given checkpoint=3;", "a path is expected")),
    ("a checkpoint to resume that is missing", lambda to: train(to, resume=to / "none.pth"), ("does not exist", "it is looked up from")),
    ("a foreign checkpoint to resume", lambda to: train(to, resume=foreign(to)), ("holds 1 weights without the network they", "or build it in Python, load them into it")),
    ("a resumed network without training", lambda to: train(to, resume=no_training(to)), ("The checkpoint holds no training to continue", "Train it anew from its weights")),
    ("resuming with another rate", lambda to: resume(to, lr=0.1), ("The checkpoint was trained with lr=0.01;", "Give the same settings (the seed with")),
    ("resuming with other data", lambda to: resume(to, make=other_data), ("The data has changed since the checkpoint was", "Resume with the same data, or train anew")),
    ("resuming with another seed", lambda to: resume(to, make=other_seed), ("The checkpoint was trained with seed=0;", "Give the same settings (the seed with")),
    ("resuming with another network", lambda to: resume(to, make=other_network), ("The checkpoint to resume from holds another", "another network than the one assembled here")),
    ("resuming for fewer epochs", lambda to: resume(to, first={"epochs": 2}, epochs=1), ("The checkpoint holds 2 epochs already;", "Give more")),
    ("resuming a finished training", lambda to: resume(to, epochs=1), ("The training to resume is complete after 1", "Resume it in its own folder, or with more")),
    ("resuming a shorter one-cycle", lambda to: resume(to, first={"epochs": 2, "schedule": "onecycle"}, schedule="onecycle", epochs=1), ("The checkpoint holds 2 epochs already;", "Give more.")),
    ("resuming with another optimiser", lambda to: resume(to, change=lambda model: model.add(optimizer="sgd")), ("The checkpoint was trained with", "Give the same settings (the seed with")),
    ("resuming with a checkpoint", lambda to: resume(to, checkpoint=to / "earlier" / "last.pth"), ("resume= continues a training, checkpoint=", "Give one of them")),
    ("weights that are missing", lambda to: network(to).load_weights(to / "none.pth"), ("does not exist", "it is looked up from")),
    ("weights that do not fit", lambda to: network(to).load_weights(foreign(to)), ("None of the 1 weights in", "the network has 'linear1.weight'")),
    ("finding a rate between wrong ends", lambda to: network(to).find_lr(start=1, end=0.1), ("start=1 and end=0.1 were given;", "two rates above 0, the lower one first, are")),
    ("finding a rate in no steps", lambda to: network(to).find_lr(steps=0), ("steps=0 was given;", "a whole number of at least 20 is expected")),
    ("finding a rate with an unknown loss", lambda to: network(to).find_lr(loss="x"), ("There is no loss 'x'", "Known names: BCELoss")),
    ("too large a network", huge, ("layer 1 'linear' does not fit its input (N", "Error code 12 (Cannot allocate memory)")),
    ("one class alone", one_class, ("The loss 'CrossEntropyLoss' does not fit: the", "At least two are expected, to be told apart")),
    ("a torch optimiser that is made", lambda to: optimizer(to, torch.optim.SGD([torch.zeros(1)], 0.1)), ("There is no optimiser SGD ( Parameter Group 0", "Known names: adadelta")),
    ("a schedule in a list", lambda to: train(to, schedule=["cosine"]), ("There is no schedule ['cosine']", "Did you mean 'cosine'?")),
    ("no milestones", lambda to: train(to, schedule={"name":"multistep","milestones":[]}), ("The schedule 'multistep' was given no", "at least one epoch is expected, such as [10")),
    ("an optimiser set by hand", lambda to: by_hand(to, optimizer="zzz"), ("There is no optimiser 'zzz'", "Known names: adadelta")),
    ("a folder to resume", lambda to: train(to, resume=to), ("is a folder", "a file is expected")),
    ("finding a rate from NaN", lambda to: network(to).find_lr(start=float("nan")), ("start=nan and end=10 were given;", "two rates above 0, the lower one first, are")),
    ("finding a rate with an unknown setting", lambda to: network(to).find_lr(lrr=3), ("There is no setting 'lrr'", "Did you mean 'lr'?")),
]
# fmt: on

"""Wrong calls of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from click.testing import CliRunner

from cli import main
from runtime.errors import ToolkitError
from wrong_calls import Call
from wrong_calls.files import picture
from wrong_calls.small import network, table, written

TABLE = "a,b,kind\n" + "".join(f"{row},{row * row % 7},{'xy'[row % 2]}\n" for row in range(20))
TOML = """
[model]
name = "mlp"
[data]
path = "{path}"
[training]
epochs = 1
"""


class Refused(ToolkitError):
    """What the command answered, in one line, with exit code 2 and without a traceback."""


def toolkit(*arguments: Any) -> NoReturn:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2, result.output
    assert lines[-1].startswith("Error: ")
    assert len(lines) == 1 or lines[0].startswith("Usage: ")  # the latter is click's own
    assert "epoch 1/" not in result.output
    raise Refused(lines[-1].removeprefix("Error: "))


def train(to: Path, *options: Any, text: str = TABLE, model: Any = "mlp") -> NoReturn:
    toolkit("train", "--model", model, "--data", table(to, text), "-o", to / "run", "--epochs", 1, *options)


def toml(to: Path, text: str) -> NoReturn:
    data = table(to, TABLE)
    toolkit("train", table(to, text.replace("{path}", data.as_posix()), "run.toml"), "-o", to / "run")


def layers(to: Path, content: Any) -> NoReturn:
    text = content if isinstance(content, str) else json.dumps(content)
    train(to, model=table(to, text, "network.json"))


def empty(to: Path) -> Path:
    (to / "none").mkdir()
    return to / "none"


def python_made(to: Path) -> Path:
    model = network(to)
    model.train(epochs=1, verbose=False, save_fold=to / "earlier")
    return to / "earlier"


def finished(to: Path) -> Path:
    arguments = ["train", "--model", "mlp", "--data", table(to, TABLE), "-o", to / "earlier", "--epochs", 1]
    assert CliRunner().invoke(main, [str(argument) for argument in arguments]).exit_code == 0
    return to / "earlier"


def pictures(to: Path) -> Path:
    for name in "ab":
        for number in range(6):
            picture(to / "pictures" / name / f"{number}.png")
    return to / "pictures"


# A table: one call in each line.
# fmt: off
CALLS: list[Call] = [
    ("nothing to train", lambda to: toolkit("train"), ("--model and --data are needed to start a", "a training, such as: --model lenet --data DIR")),
    ("no data", lambda to: toolkit("train", "--model", "mlp"), ("--model and --data are needed to start a", "a training, such as: --model lenet --data DIR")),
    ("no model", lambda to: toolkit("train", "--data", to), ("--model and --data are needed to start a", "a training, such as: --model lenet --data DIR")),
    ("a command that does not exist", lambda to: toolkit("trian"), ("No such command 'trian'", "Did you mean 'train'?")),
    ("an option that does not exist", lambda to: train(to, "--epoch", 3), ("No such option '--epoch'", "Did you mean '--epochs'?")),
    ("a network that does not exist", lambda to: train(to, model="resnet19"), ("There is no network 'resnet19'", "A .json file may be given too")),
    ("data that do not exist", lambda to: toolkit("train", "--model", "mlp", "--data", to / "none", "-o", to / "run"), ("does not exist", "it is looked up from")),
    ("an empty folder", lambda to: toolkit("train", "--model", "lenet", "--data", empty(to), "-o", to / "run"), ("holds no pictures in class folders;", "one sub-folder a class is expected, such as")),
    ("a header only", lambda to: train(to, text="a,b,kind\n"), ("has 3 columns and 0 rows;", "at least one number column, a label and a row")),
    ("NaN in a table", lambda to: train(to, text=TABLE + "nan,1,x\n"), ("row 21, column 'a': the cell is 'nan';", "Mend the cell, or remove the row or the column")),
    ("text in a table", lambda to: train(to, text=TABLE + "one,1,x\n"), ("row 21, column 'a': the cell is 'one';", "Mend the cell, or remove the row or the column")),
    ("a regression of names", lambda to: train(to, "--task", "reg"), ("row 1, column 'kind': the cell is 'x';", "The column holds texts ('x', 'y')")),
    ("dense targets in a table", lambda to: train(to, "--task", "dense"), ("A table has no targets for the task 'dense';", "it holds classes, labels or values")),
    ("a task that does not exist", lambda to: train(to, "--task", "class"), ("Invalid value for '--task': 'class' is not", "'multilabel', 'reg', 'dense', 'embedding'")),
    ("a network for pictures and a table", lambda to: train(to, model="lenet"), ("layer 1 'lenet': (N, channels, height, width)", "width) is expected, but it receives (N, 2)")),
    ("no epochs", lambda to: train(to, "--epochs", 0), ("epochs=0 was given;", "a whole number of at least 1 is expected")),
    ("epochs of a text", lambda to: train(to, "--epochs", "two"), ("Invalid value for '--epochs': 'two' is not a", "for '--epochs': 'two' is not a valid integer")),
    ("a rate of NaN", lambda to: train(to, "--lr", "nan"), ("lr=nan was given;", "a number above 0 is expected, such as 0.001")),
    ("a rate of zero", lambda to: train(to, "--lr", 0), ("lr=0.0 was given;", "a number above 0 is expected, such as 0.001")),
    ("a negative rate", lambda to: train(to, "--lr", -1), ("lr=-1.0 was given;", "a number above 0 is expected, such as 0.001")),
    ("a batch size of zero", lambda to: train(to, "--batch-size", 0), ("batch_size=0 was given;", "a whole number of at least 1 is expected")),
    ("a negative seed", lambda to: train(to, "--seed", -1), ("seed=-1 was given;", "a whole number from 0 to 4294967295 is")),
    ("a seed too large", lambda to: train(to, "--seed", 2**40), ("seed=1099511627776 was given;", "a whole number from 0 to 4294967295 is")),
    ("an optimiser that does not exist", lambda to: train(to, "--optimizer", "addam"), ("There is no optimiser 'addam'", "Did you mean 'adam' or 'radam' or 'nadam'?")),
    ("a schedule that does not exist", lambda to: train(to, "--schedule", "cosinus"), ("There is no schedule 'cosinus'", "Did you mean 'cosine'?")),
    ("a negative decay", lambda to: train(to, "--weight-decay", -1), ("weight_decay=-1.0 was given;", "a number of at least 0 is expected, such as")),
    ("a share of 1", lambda to: train(to, "--val-ratio", 1), ("data.val_ratio=1.0 was given;", "a share of at least 0 and below 1 is expected")),
    ("a share of 0.001", lambda to: train(to, "--val-ratio", 0.001), ("A validation share of 0.001 of 20 examples", "Use another share")),
    ("a negative share", lambda to: train(to, "--val-ratio", -0.1), ("data.val_ratio=-0.1 was given;", "a share of at least 0 and below 1 is expected")),
    ("a colour that does not exist", lambda to: train(to, "--color", "rgb"), ("Invalid value for '--color': 'rgb' is not one", "'rgb' is not one of 'RGB', 'grayscale'")),
    ("a size of zero", lambda to: toolkit("train", "--model", "lenet", "--data", pictures(to), "-o", to / "run", "--size", 0, 8), ("data.size=(0, 8) was given;", "(height, width) of at least 1 is expected")),
    ("a size of one number", lambda to: train(to, "--size", 8), ("Option '--size' requires 2 arguments",)),
    ("negative workers", lambda to: train(to, "--workers", -1), ("data.workers=-1 was given;", "a whole number of at least 0 is expected")),
    ("augment that is not JSON", lambda to: train(to, "--augment", "{RandomRotation: 3}"), ("--augment '{RandomRotation: 3}' is not JSON:", "in double quotes: line 1 column 2 (char 1)")),
    ("augment of an unknown transform", lambda to: toolkit("train", "--model", "lenet", "--data", pictures(to), "-o", to / "run", "--augment", '{"Rotate": 3}'), ("There is no transform 'Rotate'", "Known names: AugMix")),
    ("augment that is a number", lambda to: toolkit("train", "--model", "lenet", "--data", pictures(to), "-o", to / "run", "--augment", "3"), ("The transform 3 is a int;", "What is not plain JSON could not be kept in")),
    ("augment for a table", lambda to: train(to, "--augment", '{"RandomRotation": 3}'), ("holds no pictures (20 examples of shape 2, 2", "transforms can only be applied to pictures in")),
    ("a size for a table", lambda to: train(to, "--size", 8, 8), ("data.size is for pictures;", "Leave it out")),
    ("a change without =", lambda to: train(to, "--set", "training.ema"), ("--set training.ema: KEY=VALUE is expected", "is expected, such as --set training.ema=0.999")),
    ("a change without a key", lambda to: train(to, "--set", "=3"), ("--set =3: KEY=VALUE is expected, such as", "is expected, such as --set training.ema=0.999")),
    ("a change of an unknown key", lambda to: train(to, "--set", "training.emma=0.9"), ("There is no key 'training.emma'", "Did you mean 'ema'?")),
    ("a change of an unknown table", lambda to: train(to, "--set", "trainings.ema=0.9"), ("There is no key 'trainings'", "Did you mean 'training'?")),
    ("a change through a value", lambda to: train(to, "--set", "training.epochs.x=3"), ("--set training.epochs.x: 'epochs' is 1 and", "'epochs' is 1 and has no keys below it")),
    ("a change of a table to a number", lambda to: train(to, "--set", "training=3"), ("training=3 was given;", "a table is expected, such as [training]")),
    ("a change that is an average of 1", lambda to: train(to, "--set", "training.ema=1"), ("ema=1 was given;", "a number between 0 and 1 is expected, such as")),
    ("a change to fp16", lambda to: train(to, "--set", "training.precision=fp16"), ("precision='fp16' was given for a training on", "Use precision='bf16', or 'fp32'")),
    ("a change of an unknown loss", lambda to: train(to, "--set", "training.loss=crossentropie"), ("There is no loss 'crossentropie'", "Did you mean 'CrossEntropyLoss'?")),
    ("a change of a loss that does not fit", lambda to: train(to, "--set", "training.loss=PoissonNLL"), ("The loss 'PoissonNLL' does not fit", "Use one of: CrossEntropyLoss, NLLLoss")),
    ("a change of an unknown metric", lambda to: train(to, "--set", "training.metrics=['f2']"), ("There is no metric 'f2'", "Known names: acc")),
    ("a change of metrics to a number", lambda to: train(to, "--set", "training.metrics=3"), ("metrics=3 was given;", "a list of names is expected, such as ['acc'")),
    ("a change of a monitor", lambda to: train(to, "--set", "training.monitor=val_accuracy"), ("monitor='val_accuracy' was given, but an", "Did you mean 'val_acc'?")),
    ("a change of frozen layers", lambda to: train(to, "--set", "training.freeze=['conv*']"), ("No layer is called 'conv*'", "Known names: mlp1, softmax1")),
    ("a change of the path to a number", lambda to: train(to, "--set", "data.path=3"), ("data.path=3 was given;", "a text is expected")),
    ("a change of the label to one that is missing", lambda to: train(to, "--set", "data.label=c"), ("has no column 'c' for the label", "Known names: a, b, kind")),
    ("a change of the label to a number", lambda to: train(to, "--set", "data.label=3"), ("data.label=3 was given;", "the name of a column is expected")),
    ("a change of scale to a text", lambda to: train(to, "--set", "data.scale=maybe"), ("data.scale='maybe' was given;", "true or false is expected")),
    ("a change of the level", lambda to: train(to, "--set", "data.level=letters"), ("data.level='letters' was given", "Known names: character, word")),
    ("a change of the length to a text", lambda to: train(to, "--set", "data.length=long"), ("data.length='long' was given;", "a whole number of at least 1 is expected")),
    ("a change of workers to a text", lambda to: train(to, "--set", "data.workers=many"), ("data.workers='many' was given;", "a whole number of at least 0 is expected")),
    ("a change of the size to a number", lambda to: train(to, "--set", "data.size=8"), ("data.size=8 was given;", "(height, width) of at least 1 is expected")),
    ("a change of the share to a text", lambda to: train(to, "--set", "data.val_ratio=half"), ("data.val_ratio='half' was given;", "a share of at least 0 and below 1 is expected")),
    ("a change of shares that leave nothing", lambda to: train(to, "--set", "data.val_ratio=0.5", "--set", "data.test_ratio=0.5"), ("data.val_ratio=0.5 and data.test_ratio=0.5", "data.test_ratio=0.5 leave nothing to train on")),
    ("a change of the weights to a missing file", lambda to: train(to, "--set", f"model.weights={to / 'none.pth'}"), ("does not exist", "it is looked up from")),
    ("a change of the weights to a number", lambda to: train(to, "--set", "model.weights=3"), ("model.weights=3 was given;", "a text is expected")),
    ("published weights of an own network", lambda to: train(to, "--set", "model.pretrained=DEFAULT"), ("torchvision", "one is expected, such as add('resnet18'")),
    ("a change of the initialisation", lambda to: train(to, "--set", "model.init=xavier"), ("the network's init: there is no", "Did you mean 'xavier_normal' or")),
    ("a change of the initialisation to a number", lambda to: train(to, "--set", "model.init=3"), ("the network's init: there is no", "Known names: constant")),
    ("a change of the network to a number", lambda to: train(to, "--set", "model.name=3"), ("model.name=3 was given;", "a text is expected")),
    ("a change of the layers to a number", lambda to: train(to, "--set", "model.layers=3"), ("model.layers is a list of tables, each with", "layer, activation and the layer's arguments")),
    ("a change of the layers to numbers", lambda to: train(to, "--set", "model.layers=[3]"), ("model.layers is a list of tables, each with", "layer, activation and the layer's arguments")),
    ("a change of the output to a number", lambda to: train(to, "--set", "output=3"), ("output=3 was given;", "a folder's path is expected")),
    ("tensorboard that is a text", lambda to: train(to, "--set", "tensorboard=yes"), ("tensorboard='yes' was given;", "true or false is expected")),
    ("a TOML that does not exist", lambda to: toolkit("train", to / "none.toml"), ("none.toml does not exist", "it is looked up from")),
    ("a TOML that is a folder", lambda to: toolkit("train", to), ("is a folder", "a file is expected")),
    ("a TOML that is none", lambda to: toml(to, "epochs: 3"), ("is not TOML: Expected '=' after a key in a", "See toml.io for the format")),
    ("a TOML with an unknown key", lambda to: toml(to, TOML + "epoch = 3\n"), ("There is no key 'training.epoch'", "Did you mean 'epochs'?")),
    ("a TOML with an unknown table", lambda to: toml(to, TOML + "[train]\nlr = 3\n"), ("There is no key 'train'", "Did you mean 'training'?")),
    ("a TOML with a number for a table", lambda to: toml(to, "model = 3\n"), ("model=3 was given;", "a table is expected, such as [model]")),
    ("a TOML with a text for a number", lambda to: toml(to, TOML + 'lr = "0.1"\n'), ("lr='0.1' was given;", "a number above 0 is expected, such as 0.001")),
    ("a TOML with a layer that does not exist", lambda to: toml(to, '[model]\nlayers = [{layer = "lin", size = 2}]\n[data]\npath = "{path}"\n'), ("There is no layer 'lin'", "Did you mean 'linear'?")),
    ("a TOML with a layer without a name", lambda to: toml(to, '[model]\nlayers = [{size = 2}]\n[data]\npath = "{path}"\n'), ("layer 1: size were given, but no layer's name", "Name the layer first")),
    ("a TOML with a name and layers", lambda to: toml(to, '[model]\nname = "mlp"\nlayers = [{layer = "linear", size = 2}]\n[data]\npath = "{path}"\n'), ("model.name and model.layers were both given", "Leave one of them out")),
    ("a TOML with a layer that does not fit", lambda to: toml(to, '[model]\nlayers = [{layer = "linear", size = [7, 2]}]\n[data]\npath = "{path}"\n'), ("layer 1 'linear': size=(7, 2) expects 7 input", "but it receives 2 (input shape (N, 2))")),
    ("a TOML with too many outputs", lambda to: toml(to, '[model]\nlayers = [{layer = "linear", size = 9}]\n[data]\npath = "{path}"\n'), ("The network ends in (N, 9), but the data has", "Let the last layer give (N, 2)")),
    ("a TOML that is not UTF-8", lambda to: toolkit("train", written(to, "r.toml", b"\xff\xfe")), ("cannot be read: 'utf-8' codec can't decode", "byte 0xff in position 0: invalid start byte")),
    ("layers that are not JSON", lambda to: layers(to, "{"), ("cannot be read as a network's description:", "in double quotes: line 1 column 2 (char 1)")),
    ("layers without layers", lambda to: layers(to, {"x": 1}), (": The network's description is malformed", "input_shape and layers are expected, each")),
    ("layers that are a list", lambda to: layers(to, [1]), (": The network's description is malformed", "input_shape and layers are expected, each")),
    ("layers that are empty", lambda to: layers(to, {"layers": []}), ("has no layers;", "at least one is expected")),
    ("layers with an unknown argument", lambda to: layers(to, {"layers": [{"layer": "linear", "arguments": {"width": 2}}]}), (": layer 1 'linear': there is no argument", "Known names: bias, flatten, size")),
    ("a .json that does not exist", lambda to: train(to, model=to / "none.json"), ("none.json does not exist", "it is looked up from")),
    ("resuming nowhere", lambda to: toolkit("train", "--resume"), ("--resume needs the folder of the training:", "the training: toolkit train -o DIR --resume")),
    ("resuming where nothing is", lambda to: toolkit("train", "-o", to / "run", "--resume"), ("holds no last.pth to continue from: it is", "Start one with: toolkit train")),
    ("resuming with a rate", lambda to: toolkit("train", "-o", to / "run", "--resume", "--lr", 0.1), ("--resume continues with the settings of the", "leave out --lr")),
    ("resuming with a TOML", lambda to: toolkit("train", to / "x.toml", "-o", to / "run", "--resume"), ("--resume continues with the settings of the", "leave out the TOML")),
    ("resuming what is finished", lambda to: toolkit("train", "-o", finished(to), "--resume"), ("is finished: it holds all of its 1 epochs", "Go on for more with: toolkit train")),
    ("resuming what Python made", lambda to: toolkit("train", "-o", python_made(to), "--resume"), ("was not written by `toolkit train`", "Continue it in Python: model.train(...")),
    ("a dry run with a rate of zero", lambda to: train(to, "--dry-run", "--lr", 0), ("lr=0.0 was given;", "a number above 0 is expected, such as 0.001")),
    ("a dry run of fp16", lambda to: train(to, "--dry-run", "--set", "training.precision=fp16"), ("precision='fp16' was given for a training on", "Use precision='bf16', or 'fp32'")),
    ("a dry run that freezes nothing", lambda to: train(to, "--dry-run", "--set", "training.freeze=['x']"), ("No layer is called 'x'", "Known names: mlp1, softmax1")),
    ("a dry run with missing weights", lambda to: train(to, "--dry-run", "--set", "model.weights=none.pth"), ("none.pth does not exist", "it is looked up from")),
    ("finding a rate with an unknown loss", lambda to: train(to, "--find-lr", "--set", "training.loss=x"), ("There is no loss 'x'", "Known names: BCELoss")),
    ("a dry run that finds a rate", lambda to: train(to, "--find-lr", "--dry-run"), ("--dry-run and --find-lr were both given;", "choose one")),
    ("a file where the folder goes", lambda to: toolkit("train", "--model", "mlp", "--data", table(to, TABLE), "-o", table(to, "x", "run.txt")), ("The folder", "Choose another for the training")),
    ("looking at nothing", lambda to: toolkit("data", "show", to / "none"), ("does not exist", "it is looked up from")),
    ("looking at a table", lambda to: toolkit("data", "show", table(to, TABLE), "-o", to / "x.png"), ("holds no pictures;", "a folder with one sub-folder a class is")),
    ("looking with a wrong transform", lambda to: toolkit("data", "show", pictures(to), "-o", to / "x.png", "--augment", '{"Flip": 1}'), ("There is no transform 'Flip'", "Known names: AugMix")),
    ("looking without JSON", lambda to: toolkit("data", "show", pictures(to), "-o", to / "x.png", "--augment", "x"), ("--augment 'x' is not JSON: Expecting value:", "Expecting value: line 1 column 1 (char 0)")),
    ("looking at no rows", lambda to: toolkit("data", "show", pictures(to), "-o", to / "x.png", "--rows", 0), ("Invalid value for '--rows': 0 is not in the", "for '--rows': 0 is not in the range 1<=x<=20")),
    ("looking with a negative seed", lambda to: toolkit("data", "show", pictures(to), "-o", to / "x.png", "--seed", -1), ("Invalid value for '--seed': -1 is not in the", "-1 is not in the range 0<=x<=4294967295")),
    ("a picture in a folder that is a file", lambda to: toolkit("data", "show", pictures(to), "-o", table(to, "x", "f") / "x.png"), ("cannot be written: File exists", "Choose a folder you may write to")),
    ("exporting nothing", lambda to: toolkit("export", to / "none.pth"), ("does not exist", "it is looked up from")),
    ("exporting a text", lambda to: toolkit("export", table(to, "x", "x.pth")), ("is cut short or is no file that can be exported", "TorchScript is expected. Fetch or")),
    ("telling of nothing", lambda to: toolkit("info", to / "none.pth"), ("does not exist", "it is looked up from")),
    ("a change to nothing", lambda to: train(to, "--set", "training.lr="), ("lr='' was given;", "a number above 0 is expected, such as 0.001")),
    ("a change of epochs to a text", lambda to: train(to, "--set", "training.epochs=ten"), ("epochs='ten' was given;", "a whole number of at least 1 is expected")),
    ("a change of the transform to a name alone", lambda to: toolkit("train","--model","lenet","--data",pictures(to),"-o",to / "run","--set","data.transform=Resize"), ("Resize: the argument size is missing;", "a whole number or a list of whole numbers is")),
    ("a change of the optimiser's options", lambda to: train(to, "--set", "training.optimizer={name='sgd', x=1}"), ("The optimiser 'sgd' has no option 'x'", "Known names: dampening")),
    ("a TOML with a text for layers", lambda to: toml(to, TOML.replace('name = "mlp"', 'layers = "linear"')), ("model.layers is a list of tables, each with", "layer, activation and the layer's arguments")),
    ("a TOML with a text for a size", lambda to: toml(to, TOML.replace('[training]', 'size = "8x8"\n[training]')), ("data.size='8x8' was given;", "(height, width) of at least 1 is expected")),
    ("a TOML with a key twice", lambda to: toml(to, TOML + "epochs = 2\n"), ("is not TOML: Cannot overwrite a value (at", "See toml.io for the format")),
    ("augment that is a list of numbers", lambda to: toolkit("train","--model","lenet","--data",pictures(to),"-o",to / "run","--augment","[1]"), ("The transform 1 is a int;", "What is not plain JSON could not be kept in")),
    ("pictures too small for the network", lambda to: toolkit("train","--model","lenet","--data",pictures(to),"-o",to / "run","--size",2,2), ("layer 1 'lenet' does not fit its input (N, 3", "Enlarge them to 28 x 28")),
    ("several labels from class folders", lambda to: toolkit("train","--model","lenet","--data",pictures(to),"-o",to / "run","--task","multilabel"), ("The data is for classification, the network", "Use nn('classification')")),
    ("exporting an unknown output", lambda to: toolkit("export", finished(to)/"best.pth", "--outputs", "probs"), ("There is no output 'probs' for classification", "Known names: cam, embedding, logits, probabilities")),
    ("exporting to opset -3", lambda to: toolkit("export", finished(to)/"best.pth", "--opset", -3), ("Invalid value for '--opset': -3 is not in the", "for '--opset': -3 is not in the range x>=1")),
    ("a demo of no epochs", lambda to: toolkit("demo","-o",to / "run","--epochs",0), ("Invalid value for '--epochs': 0 is not in the", "for '--epochs': 0 is not in the range x>=1")),
    ("a demo with a negative seed", lambda to: toolkit("demo","-o",to / "run","--epochs",1,"--seed",-1), ("Invalid value for '--seed': -1 is not in the", "-1 is not in the range 0<=x<=4294967295")),
]
# fmt: on

"""The command line: `toolkit COMMAND`. Each command imports what it needs, when it runs."""

from __future__ import annotations

import codecs
import contextlib
import gc
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runtime.errors import InputError, MissingPackageError, ToolkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtime.model import Model
    from toolkit.training.runs.config import RunConfig

F = TypeVar("F", bound="Callable[..., Any]")

# Commands import when they run. That makes many objects and no garbage; looking for it after every 700 slows the start.
gc.set_threshold(50_000, 20, 20)


def _printable(error: UnicodeError) -> tuple[str, int]:
    """For what an output's encoding lacks: a plain rule instead of a drawn one, escapes instead of the rest."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].replace("─", "-")
    return lacking.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error("toolkit", _printable)


class Toolkit(click.Group):
    """Prints a ToolkitError as one paragraph, without a traceback, and exits with its code."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="toolkit")
        try:
            return super().invoke(ctx)
        except ToolkitError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=Toolkit, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="onnx-edge-toolkit", prog_name="toolkit")
def main() -> None:
    """Train a small model, turn it into one verified ONNX file, and run it anywhere without torch."""


# What `toolkit predict` is given, by the kind of the model's input.
_PREDICTED = {"image": "IMAGES", "table": "TABLE.csv", "text": "LINES.txt", "sequence": "ARRAY.npy"}


def _flag(*names: str, help: str) -> Callable[[F], F]:
    """An option that is on or off, and says that it is off."""
    return click.option(*names, is_flag=True, default=False, help=f"{help}  [default: off]")


_json = _flag("--json", "as_json", help="Print JSON instead of text.")
_device = click.option("--device", default="auto", metavar="auto|cpu|cuda|cuda:N|tensorrt", help="Where to run.")
_require = _flag("--require-device", help="Fail rather than run on another device than --device.")


# ---- train and export (extra: train) ----------------------------------------------------------------------------------


@main.command()
@click.argument("run", type=click.Path(), required=False, metavar="[RUN.toml]")
@click.option("--model", help="A network's name (lenet, mlp, resnet18, ...) or a .json file with its layers.")
@click.option(
    "--data", type=click.Path(), help="A folder of class folders, texts or idx files; a .csv, .tsv or .npz file."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default=None,
    help="Folder for checkpoints and pictures.  [default: the TOML's output, else a new one below runs]",
)
@click.option("--epochs", type=int, default=None, help="Passes over the training part.  [default: 10]")
@click.option(
    "--task",
    type=click.Choice(["cls", "multilabel", "reg", "dense", "embedding"]),
    default=None,
    help="What is learnt: classes, several labels at once, numbers, a class a position, likeness.  [default: cls]",
)
@click.option("--lr", type=float, default=None, help="Learning rate.  [default: the optimiser's usual one]")
@click.option("--batch-size", type=int, default=None, help="Examples a step.  [default: 64]")
@click.option("--optimizer", default=None, help="adam, adamw, sgd, ...; see docs/reference.md.  [default: adam]")
@click.option("--schedule", default=None, help="Of the learning rate: constant, cosine, ...  [default: onecycle]")
@click.option("--weight-decay", type=float, default=None, help="As the optimiser defines it.  [default: 0]")
@click.option(
    "--val-ratio", type=float, default=None, help="Share for validation if the data brings none.  [default: 0.1]"
)
@click.option("--color", type=click.Choice(["RGB", "grayscale"]), default=None, help="Of pictures.  [default: RGB]")
@click.option("--size", type=int, nargs=2, default=None, metavar="H W", help="Bring pictures to this size.")
@click.option("--augment", default=None, metavar="JSON", help="Transforms, such as '{\"RandomRotation\": 10}'.")
@click.option("--seed", type=int, default=None, help="Of everything random.  [default: 0]")
@click.option("--workers", type=int, default=None, help="Threads that decode, processes that augment.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any key of the TOML, such as training.ema=0.999."
)
@_flag("--tensorboard", help="Also write what TensorBoard shows.")
@_flag("--dry-run", help="Print the network, the data and the plan, and stop.")
@_flag("--find-lr", help="Try learning rates, draw lr.png into the folder, and stop.")
@_flag("--resume", help="Continue the training in the output folder, bit for bit.")
@_json
def train(
    output: str | None, resume: bool, dry_run: bool, find_lr: bool, as_json: bool, run: str | None, **options: Any
) -> None:
    """Train a network on pictures, a table or texts: from options, from RUN.toml, or from both."""
    _need("toolkit train", "torch", "torchmetrics", "matplotlib", "rich", "tomli_w")
    from toolkit.commands.start_training import continue_training, find_rate, plan_training, start_training
    from toolkit.training.loop.interruption import TrainingInterrupted

    report = None if as_json else _line
    if resume:
        _only_resume({"run": run, **options, "dry_run": dry_run, "find_lr": find_lr})
        if output is None:
            raise InputError("--resume needs the folder of the training: toolkit train -o DIR --resume.")
        folder = Path(output)
    else:
        if dry_run and find_lr:
            raise InputError("--dry-run and --find-lr were both given; choose one.")
        config = _run_config(run, options)
        folder = Path(output) if output is not None else config.new_folder(run)
    first = os.environ.get("RANK", "0") == "0"  # of several processes one speaks
    try:
        if resume:
            result = continue_training(folder, report)
        else:
            if dry_run:
                facts, text = plan_training(config, folder)
                if first:
                    click.echo(json.dumps(facts) if as_json else text)
                return
            if find_lr:
                result = find_rate(config, folder / "lr.png")
                text = f"learning rate: {result['lr']:.2g} (drew {result['picture']})"
                if first:
                    click.echo(json.dumps(result) if as_json else text)
                return
            result = start_training(config, folder, report)
    except (KeyboardInterrupt, TrainingInterrupted):
        if first:
            click.echo("Stopped.", err=True)
            if (folder / "last.pth").is_file():
                click.echo(f"Nothing is lost; continue with: toolkit train -o {folder} --resume", err=True)
        raise click.exceptions.Exit(130) from None
    if not first:
        return
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(f"wrote {folder}: {', '.join(result['files'])}")
        click.echo(f"next: toolkit export {folder / 'best.pth'}")


@main.group()
def data() -> None:
    """Look at data before training on it."""


@data.command("show")
@click.argument("path", type=click.Path())
@click.option("-o", "--output", type=click.Path(), default="data.png", help="The picture to draw.")
@click.option(
    "--augment", default=None, metavar="JSON", help="Show these transforms, such as '{\"RandomRotation\": 15}'."
)
@click.option("--color", type=click.Choice(["RGB", "grayscale"]), default="RGB", help="Of the pictures.")
@click.option("--size", type=int, nargs=2, default=None, metavar="H W", help="Bring pictures to this size.")
@click.option("--rows", type=click.IntRange(1, 20), default=6, help="How many pictures.")
@click.option("--columns", type=click.IntRange(1, 20), default=8, help="How many versions of each.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of what is chosen and of the transforms.")
@_json
def data_show(path: str, output: str, as_json: bool, **options: Any) -> None:
    """Draw a sheet of samples, with --augment as the training will see them, and tell what there is."""
    _need("toolkit data show", "torch", "torchvision", "matplotlib")
    from toolkit.data.inspection.show import show_data

    facts, text = show_data(
        Path(path), Path(output), **{**options, "augment": _json_option("--augment", options["augment"])}
    )
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else text)


@main.command()
@click.argument("source", type=click.Path(), metavar="CHECKPOINT|WEIGHTS|PROGRAM")
@click.option(
    "-o", "--output", type=click.Path(), default=None, help="The file to write.  [default: beside the source]"
)
@click.option(
    "--arch",
    default=None,
    metavar="WHERE:NAME",
    help="Of plain weights: torchvision:resnet50, timm:NAME or my_models.py:Net (which is run).  [default: none]",
)
@click.option(
    "--arch-args",
    default=None,
    metavar="JSON",
    help="What the network is made with, such as '{\"num_classes\": 10}'.  [default: none]",
)
@click.option(
    "--preprocess",
    type=click.Choice(["auto", "published", "none"]),
    default="auto",
    help="Prepare pictures as for --arch's published weights: auto where it has as many classes as these.",
)
@_flag("--random-weights", help="Take --arch with fresh weights, for a measurement.")
@_flag("--trust", help="Open a pickled module, which may run any code.")
@click.option(
    "--card",
    default=None,
    type=click.Path(),
    metavar="FILE.json",
    help="Task, labels and inputs of a network from elsewhere.  [default: arrays as they are]",
)
@click.option(
    "--task",
    default=None,
    help="Of a network from elsewhere: classification, regression, ...  [default: arrays in, arrays out]",
)
@click.option(
    "--labels", default=None, type=click.Path(), metavar="FILE.txt", help="Class names, one a line.  [default: none]"
)
@click.option(
    "--outputs",
    default=None,
    metavar="NAMES",
    help="Comma-separated: probabilities, logits, embedding, cam, values, layer:NAME.  [default: by task]",
)
@click.option(
    "--dynamic",
    default=None,
    metavar="NAMES",
    help="Axes of any length, comma-separated: batch, height, width, length.  [default: batch and the task's own]",
)
@_flag("--static", help="Fix every axis.")
@_flag("--allow-static", help="Fix an axis that cannot be dynamic, and say so.")
@click.option(
    "--input-size",
    default=None,
    metavar="LENGTHS",
    help="Of an input without samples, such as 3,224,224.  [default: the network's own]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=None,
    help="Rows of the example, and of the file with --static.  [default: all samples]",
)
@click.option(
    "--target",
    default=None,
    metavar="RUNTIME",
    help="What must run the file, such as onnxruntime==1.16 or a board.  [default: this onnxruntime]",
)
@click.option(
    "--opset",
    type=click.IntRange(min=1),
    default=None,
    help="ONNX operator set.  [default: the target's, else the exporter's]",
)
@click.option(
    "--ir-version",
    type=click.IntRange(min=3),
    default=None,
    help="Version of the file format.  [default: the target's, else the exporter's]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8", "int8-dynamic", "auto"]),
    default="fp32",
    help="Of weights and arithmetic; auto tries all here.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    default=0.3,
    help="Percentage points of accuracy a lower precision may lose.",
)
@_flag("--allow-slower", help="Keep a lower precision that is slower here, for another machine.")
@click.option(
    "--calibration",
    default=None,
    type=click.Path(),
    metavar="DATA",
    help="Real inputs for int8.  [default: the checkpoint's]",
)
@click.option(
    "--calibration-method",
    type=click.Choice(["minmax", "entropy", "percentile"]),
    default="minmax",
    help="How int8 finds ranges.",
)
@click.option(
    "--evaluation",
    default=None,
    type=click.Path(),
    metavar="DATA",
    help="Labelled data to measure accuracy on.  [default: the checkpoint's held-out part]",
)
@click.option(
    "--simplifier",
    type=click.Choice(["auto", "onnxsim", "onnxslim", "none"]),
    default="auto",
    help="auto: onnxsim, else onnxslim.",
)
@_flag("--embed-preprocess", help="The file takes uint8 pictures of any size and prepares them itself.")
@click.option(
    "--embed-postprocess",
    multiple=True,
    metavar="STEP",
    help="softmax, top-k:K or nms:iou=0.45,score=0.25,max=100.  [default: none]",
)
@click.option("--atol", type=click.FloatRange(min=0), default=1e-5, help="Absolute difference from torch that passes.")
@click.option(
    "--rtol", type=click.FloatRange(min=0), default=1e-5, help="The same, relative to an output's greatest magnitude."
)
@click.option(
    "--keep-stages", default=None, type=click.Path(), metavar="DIR", help="Keep the file of each stage.  [default: no]"
)
@click.option(
    "--report",
    default=None,
    type=click.Path(),
    metavar="FILE.md",
    help="Write a model card in Markdown.  [default: no]",
)
@click.option(
    "--bundle",
    default=None,
    type=click.Path(),
    metavar="DIR",
    help="Also a folder to hand over: model, run.py, sample, check.sh.  [default: no]",
)
@click.option(
    "--triton",
    default=None,
    type=click.Path(),
    metavar="REPOSITORY",
    help="Also a Triton model repository.  [default: no]",
)
@_flag("--ort", help="Also ONNX Runtime's own format, beside the file.")
@_flag("--dry-run", help="Print the plan, and stop.")
@_json
def export(source: str, output: str | None, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Turn a checkpoint, or any torch network, into one verified ONNX file."""
    _need("toolkit export", "torch", "onnx", "onnxscript", "onnxsim")
    from exporters import export as run
    from exporters import plan_export
    from exporters.command import settings_of

    settings = settings_of(options)
    if dry_run:
        facts, text = plan_export(source, output, **settings)
        click.echo(json.dumps(facts) if as_json else text)
        return
    with _stages(as_json) as on_stage:
        report = run(source, output, on_stage=on_stage, **settings)
    if as_json:
        click.echo(json.dumps(report.to_dict()))
        return
    click.echo(report.closing())
    click.echo(f"next: toolkit info {report.path}")
    kind = report.card.inputs[0].kind if report.card.inputs else "array"
    if kind in _PREDICTED:
        click.echo(f"      toolkit predict {report.path} {_PREDICTED[kind]}")
    click.echo(f"      toolkit bench {report.path}")


@main.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path(), required=False)
@click.option(
    "--data", type=click.Path(), help="Real inputs to run as well, read as the card says.  [default: samples]"
)
@_flag("--layers", help="Find the first layer where they part.")
@click.option("--atol", type=float, help="Absolute difference allowed.  [default: 1e-5, or what the export allowed]")
@click.option("--rtol", type=float, help="The same, times the output's greatest number.  [default: as --atol]")
@click.option(
    "--min-agreement",
    type=float,
    metavar="SHARE",
    help="Share of inputs that must get the same label, such as 0.99; by itself it alone decides.  [default: none]",
)
@click.option("--outputs", metavar="NAMES", help="Compare these only, comma-separated.  [default: all]")
@click.option("--target", help="Also: would this runtime or board open the file?  [default: not asked]")
@click.option("--arch", help="For a plain state_dict: torchvision:NAME, timm:NAME, FILE.py:NAME.  [default: none]")
@click.option("--arch-args", metavar="JSON", help="What the architecture is made with.  [default: nothing]")
@click.option("--input-size", metavar="C,H,W", help="For networks without samples.  [default: the network's own]")
@_flag("--trust", help="Open a pickled module, which may run any code.")
@_json
def check(first: str, second: str | None, as_json: bool, **options: Any) -> None:
    """Compare any two: ONNX file, checkpoint, weights, program. Exits with 1 where they differ.

    Or hold one ONNX file against a --target.
    """
    if second is None:
        _need("toolkit check", "onnx")
    else:
        _need("toolkit check", "torch", "onnx", "onnxscript")
    from exporters.comparing.command import run_check

    facts, text, failure = run_check(first, second, options)
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else text)
    if failure is not None:
        raise failure


@main.command()
@click.option("-o", "--output", type=click.Path(), default="demo", help="Folder for everything that the demo makes.")
@click.option("--epochs", type=click.IntRange(min=1), default=40, help="Passes over the training part.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Of everything random.")
@_json
def demo(output: str, epochs: int, seed: int, as_json: bool) -> None:
    """The whole road on real data in a minute: train, export, verify, predict, embed, search, report."""
    _need("toolkit demo", "torch", "onnx", "onnxscript", "onnxsim", "torchmetrics", "matplotlib", "jinja2", "rich")
    from toolkit.demo.pipeline import run_demo

    result = run_demo(Path(output), epochs, seed, None if as_json else _line)
    click.echo(json.dumps(result.to_dict()) if as_json else result.closing())


# ---- run (no torch, no onnx package) ----------------------------------------------------------------------------------


@main.command()
@click.argument("file", type=click.Path())
@click.option(
    "--picture",
    default=None,
    type=click.Path(),
    metavar="FILE.svg|FILE.png",
    help="Draw the network, a large one by its modules.  [default: no]",
)
@_json
def info(file: str, picture: str | None, as_json: bool) -> None:
    """What an ONNX file or a checkpoint says of itself, what it holds and costs, and what is odd about it."""
    from importlib.util import find_spec

    path, drawing = Path(file), None if picture is None else Path(picture)
    if drawing is not None:
        _need("toolkit info --picture", "onnx", "matplotlib")
        if drawing.resolve() == path.resolve():
            raise InputError(f"--picture {picture} is the file itself; the picture would take its place. Name another.")
    if path.suffix in (".pth", ".pt"):
        _need("toolkit info on a checkpoint", "torch")
        from toolkit.training.checkpoints.describe import describe_checkpoint

        facts, text = describe_checkpoint(path, drawing)
    else:
        from runtime.session.describe import describe_file

        facts, text = describe_file(path)
        if path.suffix == ".ort":
            text += "\nOf the ORT format no more can be told; look at the .onnx file that it was made of."
        elif find_spec("onnx") is None:
            text += (
                "\nOperators, weights, multiply-adds and targets are told with: pip install 'onnx-edge-toolkit[train]'"
            )
        else:
            from exporters.inspecting.inspection import add_inspection

            facts, text = add_inspection(path, facts, text, drawing)
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else text)


@main.command()
@click.argument("model", type=click.Path())
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(), metavar="IMAGES|DIRS|TABLE.csv|LINES.txt|ARRAY.npy..."
)
@click.option("--top", type=click.IntRange(min=1), default=5, help="How many classes to list for each input.")
@_flag("--csv", "as_csv", help="Print CSV instead of text.")
@_json
@_device
@_require
def predict(
    model: str, paths: tuple[str, ...], top: int, as_csv: bool, as_json: bool, device: str, require_device: bool
) -> None:
    """Predict pictures, the rows of a table, texts (one a line), or sequences."""
    from runtime.results import Failure
    from runtime.results.formatting import prediction_rows, prediction_text

    if as_csv and as_json:
        raise InputError("--csv and --json were both given; choose one.")
    opened = _open(model, device, require_device)
    items = opened.items(list(paths))
    results = list(_progress(opened.stream(items, on_error="keep"), len(items), "predicting"))
    failures = [result for result in results if isinstance(result, Failure)]
    if as_json:
        good = [result.to_dict(top) for result in results if not isinstance(result, Failure)]
        facts = {
            "model": model,
            "device": opened.device.name,
            "predictions": good,
            "failures": [f.to_dict() for f in failures],
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
    elif as_csv:
        click.echo(prediction_rows(results, top), nl=False)
    else:
        click.echo(prediction_text(results, top))
    _fail_for(failures, len(results))


@main.command()
@click.argument("model", type=click.Path())
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="IMAGES|DIRS...")
@click.option(
    "-o", "--output", type=click.Path(), required=True, help="Folder of the index; an existing one is added to."
)
@click.option(
    "--metric",
    type=click.Choice(["cosine", "dot", "euclidean"]),
    default=None,
    help="How closeness is measured.  [default: cosine, or as the index was made]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16"]),
    default=None,
    help="How vectors are stored.  [default: float32, or as the index was made]",
)
@_json
@_device
@_require
def embed(
    model: str,
    paths: tuple[str, ...],
    output: str,
    metric: str | None,
    dtype: str | None,
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Embed pictures into an index for `toolkit search`."""
    from runtime.picture_index import embed_pictures
    from runtime.preprocess.sources import find_images

    opened = _open(model, device, require_device)
    pictures = find_images(paths)
    with _bar(len(pictures), "embedding") as bar:
        result = embed_pictures(
            opened, pictures, Path(output), metric=metric, dtype=dtype, roots=list(map(Path, paths)), advance=bar.update
        )
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        click.echo(
            f"{result.added} pictures embedded into {output}: {result.total} vectors of {result.dim} numbers, {result.metric}"
        )
        click.echo(f"next: toolkit search {output} PICTURE --picture neighbours.png")
    _fail_for(result.failures, len(pictures))


@main.command()
@click.argument("index", type=click.Path())
@click.argument("queries", nargs=-1, required=True, type=click.Path(), metavar="PICTURE...")
@click.option("-k", "count", type=click.IntRange(min=1), default=5, help="How many neighbours.")
@click.option(
    "--where", multiple=True, metavar="FIELD=VALUE", help="Only among these, such as folder=7; may be repeated."
)
@click.option("--picture", type=click.Path(), default=None, help="Draw queries and neighbours into this PNG.")
@click.option("--model", type=click.Path(), default=None, help="The model.  [default: the one that made the index]")
@_json
@_device
@_require
def search(
    index: str,
    queries: tuple[str, ...],
    count: int,
    where: tuple[str, ...],
    picture: str | None,
    model: str | None,
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Find the pictures of an index that are most like a picture."""
    from runtime.picture_index import draw_neighbours, neighbour_text, open_picture_index, search_pictures
    from runtime.preprocess.sources import find_images

    with open_picture_index(Path(index)) as opened_index:
        path = model or opened_index.attributes.get("model")
        if path is None:
            raise InputError(f"The index {index} does not say which model made it. Name it with --model.")
        opened = _open(str(path), device, require_device)
        found = search_pictures(opened, opened_index, find_images(queries), count, where)
    if picture is not None:
        draw_neighbours(found, Path(picture))
    if as_json:
        click.echo(json.dumps([entry.to_dict() for entry in found], ensure_ascii=False))
        return
    click.echo(neighbour_text(found))
    if picture is not None:
        click.echo(f"wrote {picture}")


@main.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@click.option("--model", type=click.Path(), required=True, help="The model whose embeddings are compared.")
@_json
@_device
@_require
def similarity(first: str, second: str, model: str, as_json: bool, device: str, require_device: bool) -> None:
    """How alike two pictures are, by every measure."""
    from runtime.console import table
    from runtime.preprocess.sources import find_images
    from runtime.similarity import DISTANCES, MEASURES, similarity_rows

    pictures = find_images([first, second])
    if len(pictures) != 2:
        raise InputError(f"{first} and {second} hold {len(pictures)} pictures; two are compared. Name one file each.")
    opened = _open(model, device, require_device)
    a, b = opened.embed(pictures)
    values: dict[str, float | None] = {}
    for measure in MEASURES:
        try:
            values[measure] = float(similarity_rows(a, b, measure))
        except InputError:  # an angle to a zero vector is not defined
            values[measure] = None
    if as_json:
        click.echo(json.dumps({"first": first, "second": second, **values}, ensure_ascii=False))
        return
    rows = [
        (
            measure,
            "undefined" if value is None else f"{value:.6f}",
            "distance: 0 is the same" if measure in DISTANCES else "higher is closer",
        )
        for measure, value in values.items()
    ]
    click.echo(table(("measure", "value", ""), rows, right=(1,)))


@main.command()
@click.argument("model", type=click.Path())
@click.option("--batch", "batches", default="1,8,32", help="Comma-separated batch sizes.")
@click.option("--seconds", type=float, default=1.0, help="How long to measure at each batch size.")
@click.option("--threads", type=int, default=None, help="Threads inside one operator.  [default: onnxruntime's]")
@click.option(
    "--length",
    "lengths",
    multiple=True,
    metavar="AXIS=N",
    help="Length of an axis that the file leaves free, such as length=100; several times.  [default: the card's]",
)
@_json
@_device
@_require
def bench(
    model: str,
    batches: str,
    seconds: float,
    threads: int | None,
    lengths: tuple[str, ...],
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Measure latency and throughput on random inputs."""
    from runtime.console import seconds_text, table
    from runtime.session.bench import bench as run

    try:
        sizes = [int(part) for part in batches.split(",")]
    except ValueError as error:
        raise InputError(f"--batch {batches} was given; whole numbers separated by commas are expected.") from error
    opened = _open(model, device, require_device, threads)
    timings = run(opened.session, sizes, seconds=seconds, lengths=_lengths(lengths))
    if as_json:
        facts = {"model": model, "device": opened.device.name, "timings": [timing.to_dict() for timing in timings]}
        click.echo(json.dumps(facts))
        return
    rows = [
        (
            t.batch_size,
            t.runs,
            seconds_text(t.median),
            seconds_text(t.p95),
            seconds_text(t.p99),
            f"{t.rows_per_second:,.0f}",
        )
        for t in timings
    ]
    click.echo(table(("batch", "runs", "median", "p95", "p99", "rows a second"), rows, right=range(6)))
    click.echo(opened.device.explain())


@main.command()
@_json
def doctor(as_json: bool) -> None:
    """What can run here, what is missing, and how to get it."""
    from runtime.console import table
    from runtime.session.doctor import examine

    found = examine()
    if as_json:
        click.echo(json.dumps([finding.to_dict() for finding in found], ensure_ascii=False))
    else:
        rows = [("ok" if finding.well else "!!", finding.subject, finding.state) for finding in found]
        click.echo(table(("", "what", "state"), rows))
        for finding in found:
            if finding.remedy:
                click.echo(f"{finding.subject}: {finding.remedy}")
    if not all(finding.well for finding in found):
        raise click.exceptions.Exit(1)


# ---- shared -----------------------------------------------------------------------------------------------------------


def _need(what: str, *packages: str) -> None:
    """Raise MissingPackageError when a package of the extra `train` is not installed."""
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise MissingPackageError(what, package, "train")


def _only_resume(options: dict[str, Any]) -> None:
    """Refuse settings beside --resume: they are those of the first run."""
    source = click.get_current_context().get_parameter_source
    given = [name.replace("_", "-") for name in options if source(name) is click.core.ParameterSource.COMMANDLINE]
    if given:
        names = ["the TOML" if name == "run" else "--set" if name == "changes" else f"--{name}" for name in given]
        raise InputError(f"--resume continues with the settings of the first run; leave out {', '.join(names)}.")


# The options of `toolkit train` that are not settings of the training -> their keys in the TOML.
_KEYS = {
    "model": "model.name",
    "data": "data.path",
    "task": "data.task",
    "color": "data.color",
    "size": "data.size",
    "augment": "data.transform",
    "val_ratio": "data.val_ratio",
    "workers": "data.workers",
    "tensorboard": "tensorboard",
}


def _run_config(run: str | None, options: dict[str, Any]) -> RunConfig:
    """What is to be trained: the TOML, the options over it, and --set over both."""
    from toolkit.training.runs.config import RunConfig, override, parse_change, read_run

    options = {**options, "augment": _json_option("--augment", options["augment"])}
    changes = options.pop("changes")
    given = [
        (_KEYS.get(name, f"training.{name}"), value)
        for name, value in options.items()
        if value is not None and value is not False
    ]
    tables = override({} if run is None else read_run(run), [*given, *map(parse_change, changes)])
    config = RunConfig.from_dict(tables)
    if not config.model.given or config.data.path is None:
        raise InputError("--model and --data are needed to start a training, such as: --model lenet --data DIR.")
    return config


def _json_option(name: str, text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} {text!r} is not JSON: {error}.") from error


def _lengths(given: tuple[str, ...]) -> dict[str, int]:
    """("length=100", ...) -> {"length": 100}."""
    found = {}
    for entry in given:
        name, _, length = entry.rpartition("=")
        if not name or not length.isdecimal():
            raise InputError(
                f"--length {entry} was given; an axis and a whole number, such as length=100, are expected."
            )
        found[name] = int(length)
    return found


def _open(path: str, device: str, require_device: bool, threads: int | None = None) -> Model:
    """Open a model; say on standard error when another device runs than the one asked for."""
    import warnings

    from runtime.model import load
    from runtime.session.providers import DeviceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        model = load(path, device, require_device=require_device, threads=threads)
    if model.device.obstacle is not None:
        click.echo(f"note: {model.device.explain()}", err=True)
    return model


def _bar(total: int, label: str) -> Any:
    """A progress bar with the time left, on a terminal only."""
    return click.progressbar(length=total, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


def _progress(results: Iterable[Any], total: int, label: str) -> Iterable[Any]:
    with _bar(total, label) as bar:
        for result in results:
            yield result
            bar.update(1)


def _line(text: str) -> None:
    """Print through `sys.stdout`, above a progress bar that has taken it over; `click.echo` would write into the bar."""
    print(text, flush=True)


@contextlib.contextmanager
def _stages(quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """What is told of an export under way: its stage and the time so far, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading")
        yield lambda name: progress.update(task, description=name)


def _fail_for(failures: Any, total: int) -> None:
    """Name the inputs that could not be read, and exit with 2."""
    if failures:
        click.echo(f"Error: {len(failures)} of {total} inputs could not be read:", err=True)
        for failure in failures:
            click.echo(f"  {failure.error}", err=True)
        raise click.exceptions.Exit(2)


if __name__ == "__main__":
    main()

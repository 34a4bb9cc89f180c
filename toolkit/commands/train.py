"""`toolkit train`: start, resume or plan a run from options and a TOML, or find its learning rate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from runtime.commands.options import flag, json_option
from runtime.commands.printable import print_error, print_told
from runtime.commands.progress import print_line
from runtime.commands.requirements import need
from runtime.console import written_lines
from runtime.errors import InputError
from toolkit.tasks.registry import short_names

__all__ = ["train"]


@click.command()
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
    type=click.Choice(short_names()),
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
@flag("--tensorboard", help="Also write what TensorBoard shows.")
@flag("--dry-run", help="Print the network, the data and the plan, and stop.")
@flag("--find-lr", help="Try learning rates, draw lr.png into the folder, and stop.")
@flag(
    "--resume",
    help="Continue the training in the output folder, bit for bit; with --epochs for more, with --data where it lies now.",
)
@json_option
def train(
    output: str | None, resume: bool, dry_run: bool, find_lr: bool, as_json: bool, run: str | None, **options: Any
) -> None:
    """Train a network on pictures, a table or texts: from options, from RUN.toml, or from both."""
    need("toolkit train", "torch", "torchmetrics", "matplotlib", "rich", "tomli_w")
    from toolkit.commands.run_from_options import run_config
    from toolkit.commands.start_training import continue_training, find_rate, plan_training, start_training
    from toolkit.training.loop.interruption import TrainingInterrupted

    report = None if as_json else print_line
    if resume:
        _only_resume({"run": run, **options, "dry_run": dry_run, "find_lr": find_lr})
        changes = {name: options[name] for name in _WITH_RESUME}
        if output is None:
            raise InputError("--resume needs the folder of the training: toolkit train -o DIR --resume.")
        folder = Path(output)
    else:
        if dry_run and find_lr:
            raise InputError("--dry-run and --find-lr were both given; choose one.")
        config = run_config(run, options)
        folder = Path(output) if output is not None else config.new_folder(run)
    speaks = os.environ.get("RANK", "0") == "0"  # of several processes one
    try:
        if resume:
            facts, text = _finished(continue_training(folder, report, **changes), folder)
        elif dry_run:
            facts, text = plan_training(config, folder)
        elif find_lr:
            facts = find_rate(config, folder / "lr.png")
            text = f"learning rate: {facts['lr']:.2g} (drew {facts['picture']})"
        else:
            facts, text = _finished(start_training(config, folder, report), folder)
    except (KeyboardInterrupt, TrainingInterrupted):
        if speaks:
            _say_stopped(folder)
        raise click.exceptions.Exit(130) from None
    if speaks:
        print_told(facts, text, as_json)


# Options that may stand beside --resume.
_WITH_RESUME = ("data", "epochs", "workers")


def _finished(facts: dict[str, Any], folder: Path) -> tuple[dict[str, Any], str]:
    """Result of a finished training: (facts for JSON, closing text)."""
    files = ", ".join(facts["files"])
    return facts, written_lines([f"wrote {folder}: {files}", f"next: toolkit export {folder / 'best.pth'}"])


def _say_stopped(folder: Path) -> None:
    print_error("Stopped.")
    if (folder / "last.pth").is_file():
        print_error(f"Nothing is lost; continue with: toolkit train -o {folder} --resume")


def _only_resume(options: dict[str, Any]) -> None:
    """Refuse settings beside --resume: they are those of the first run."""
    source = click.get_current_context().get_parameter_source
    given = [
        name.replace("_", "-")
        for name in options
        if name not in _WITH_RESUME and source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        names = ["the TOML" if name == "run" else "--set" if name == "changes" else f"--{name}" for name in given]
        raise InputError(
            f"--resume continues with the settings of the first run; leave out {', '.join(names)}. Only --epochs, for more of them, "
            f"--data, where the same data lies now, and --workers may be given."
        )

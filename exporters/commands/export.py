"""`toolkit export`: any network in, one verified ONNX file out, and what to do with it next."""

from __future__ import annotations

from typing import Any

import click

from exporters.commands.stage_progress import stage_progress
from runtime.commands.options import flag, json_option
from runtime.commands.printable import print_json, print_lines, print_text, print_told
from runtime.commands.requirements import need

__all__ = ["export"]


@click.command()
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
@flag("--random-weights", help="Take --arch with fresh weights, for a measurement.")
@flag("--trust", help="Open a pickled module, which may run any code.")
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
@flag("--static", help="Fix every axis.")
@flag("--allow-static", help="Fix an axis that cannot be dynamic, and say so.")
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
@flag("--allow-slower", help="Keep a lower precision that is slower here, for another machine.")
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
@click.option(
    "--embed-preprocess/--no-embed-preprocess",
    default=None,
    help="The file takes uint8 pictures of any size and prepares them itself; --no-... also leaves the scaling of a table's "
    "columns outside, which is in the file otherwise.",
)
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
@flag("--ort", help="Also ONNX Runtime's own format, beside the file.")
@flag("--dry-run", help="Print the plan, and stop.")
@json_option
def export(source: str, output: str | None, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Turn a checkpoint, or any torch network, into one verified ONNX file."""
    need("toolkit export", "torch", "onnx", "onnxscript", "onnxsim")
    from exporters import export as run
    from exporters import plan_export
    from exporters.commands.settings_from_options import settings_of
    from exporters.inputs import kind_of

    settings = settings_of(options)
    if dry_run:
        facts, text = plan_export(source, output, **settings)
        print_told(facts, text, as_json)
        return
    with stage_progress(as_json) as on_stage:
        report = run(source, output, on_stage=on_stage, **settings)
    if as_json:
        print_json(report.to_dict())
        return
    print_text(report.closing())
    print_lines(f"next: toolkit info {report.path}")
    predicted = kind_of(report.card.inputs[0]).predicted if report.card.inputs else None
    if predicted is not None:
        print_lines(f"      toolkit predict {report.path} {predicted}")
    print_lines(f"      toolkit bench {report.path}")

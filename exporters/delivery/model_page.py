"""Markdown model card: model details, source, verification, speed, and how to run it.

The sections follow "Model Cards for Model Reporting" (Mitchell et al., 2019), as far as an export can know them.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exporters.delivery.markdown import code, markdown_table
from exporters.inputs import kind_of
from exporters.inspecting.inspection import inspect_file
from exporters.inspecting.model_inspection import ModelInspection, multiply_adds_text
from exporters.onnx_files.external_data import model_bytes
from exporters.report import Report
from runtime.atomic import atomic_write
from runtime.card import ModelCard
from runtime.console import bytes_text, seconds_text, without_controls
from runtime.errors import ToolkitError
from runtime.processors import usable_processors
from runtime.results import find_decoder
from runtime.session import Session
from runtime.session.bench import Timing, measurements

__all__ = ["Speed", "measure_speed", "model_page", "write_report"]

_SECONDS = 0.4

# Threads inside one operator (None: onnxruntime's own choice) and what was measured with them.
Speed = Sequence[tuple[int | None, Timing]]


def write_report(report: Report, path: str | os.PathLike[str]) -> Path:
    """Measure the file on this machine and write its model card to `path`.

    Raises:
        InputError: `path` cannot be written.
    """
    target = Path(path)
    atomic_write(target, model_page(report, measure_speed(report.path)))
    return target


def measure_speed(path: Path) -> Speed:
    """Latency of random inputs at batches of 1 and 8, with one thread and with as many as onnxruntime takes by itself."""
    found: list[tuple[int | None, Timing]] = []
    for threads in (1, None) if usable_processors() > 1 else (1,):
        try:
            measured = measurements(Session(path, "cpu", threads=threads), (1, 8), seconds=_SECONDS)
            found += [(threads, timing) for _, timing in measured if isinstance(timing, Timing)]
        except ToolkitError:  # inputs that cannot be made up: the page goes without
            return ()
    return found


def model_page(report: Report, speed: Speed = (), *, bundle: bool = False) -> str:
    """The page as Markdown.

    Args:
        report: of the export, whose file is in place.
        speed: result of `measure_speed`.
        bundle: the page lies in a bundle, beside `run.py` and `model.onnx`.
    """
    seen = inspect_file(report.path, digest=False)
    name = "model.onnx" if bundle else report.path.name
    sections = [
        f"# {report.path.stem}",
        _summary(report.card),
        _glance(report, seen, name),
        _data(report.card),
        _accuracy(report),
        _verification(report),
        _precision(report.facts.get("precision")),
        _speed(speed),
        _inputs_and_outputs(report, seen),
        _how_to_run(report, seen, name, bundle),
        _making(report),
        _limits(report, seen),
    ]
    return without_controls("\n\n".join(section for section in sections if section)) + "\n"


def _summary(card: ModelCard) -> str:
    text = find_decoder(card.task).summary(card)
    if card.labels:
        shown = ", ".join(map(code, card.labels[:12]))
        text += f" Labels: {shown}" + (f" and {len(card.labels) - 12} more." if len(card.labels) > 12 else ".")
    return text


def _glance(report: Report, seen: ModelInspection, name: str) -> str:
    facts = seen.facts
    weights = ", ".join(f"{dtype} {bytes_text(size)}" for dtype, size in facts.weights.items() if size >= 1000)
    rows = [
        ("file", f"{code(name)}, {bytes_text(model_bytes(report.path))}"),
        ("ONNX", f"opset {report.opset}, IR version {report.ir_version}"),
        ("parameters", f"{facts.parameters:,}" + (f" ({weights})" if weights else "")),
        ("work", multiply_adds_text(seen.flow)),
        (
            "operators",
            f"{facts.nodes}: "
            + ", ".join(f"{n} {kind}" for kind, n in list(facts.operators.items())[:8])
            + (" …" if len(facts.operators) > 8 else ""),
        ),
    ]
    if facts.external:
        rows.insert(1, ("weights", f"in {', '.join(map(code, facts.external))}, which must lie beside it"))
    if seen.runtimes:
        rows.append(("runs on", ", ".join(seen.runtimes)))
    return "## At a glance\n\n" + markdown_table(("what", "value"), rows)


def _data(card: ModelCard) -> str:
    training = card.training
    if not set(training) - {"loss"}:
        return "## Data and training\n\nNothing is recorded: the weights came from elsewhere."
    rows: list[tuple[str, Any]] = [
        ("data", training.get("data", "?")),
        ("examples", _number(training.get("examples", "?"))),
    ]
    for key in ("epochs", "batch_size", "optimizer", "lr", "schedule", "weight_decay", "loss", "seed", "precision"):
        if training.get(key) not in (None, ""):
            rows.append((key.replace("_", " "), training[key]))
    return "## Data and training\n\n" + markdown_table(("setting", "value"), rows)


def _accuracy(report: Report) -> str:
    measured = report.card.training.get("measured")
    measured = measured if isinstance(measured, Mapping) else {}
    figures = {name: value for name, value in measured.items() if name != "epoch"}
    lines = ["## Accuracy"]
    if figures:
        rows = [(name, f"{value:.4f}" if isinstance(value, float) else value) for name, value in figures.items()]
        epoch = f", after epoch {measured['epoch'] + 1}" if isinstance(measured.get("epoch"), int) else ""
        lines.append(f"As the training measured it on its validation part{epoch}:")
        lines.append(markdown_table(("measure", "value"), rows, right=(1,)))
    else:
        lines.append("No accuracy is recorded. Measure it on labelled data of your own before you rely on the network.")
    if report.parity.labels_agree is not None:
        lines.append(
            f"The file gives the same label as torch to {report.parity.labels_agree:.2%} of the inputs that it was verified on."
        )
    return "\n\n".join(lines)


def _verification(report: Report) -> str:
    parity = report.parity
    rows = [
        (code(name), f"{worst:.1e}", f"{parity.allowed[name]:.1e}", f"{parity.root_mean_square.get(name, 0.0):.1e}")
        for name, worst in parity.worst.items()
    ]
    shapes = parity.shapes_text
    return "\n\n".join(
        (
            "## How it was verified",
            f"torch and this file, run by onnxruntime, were given the same {parity.samples} inputs at: {shapes}.",
            markdown_table(
                ("output", "worst difference", "allowed", "relative (root mean square)"), rows, right=(1, 2, 3)
            ),
        )
    )


def _precision(facts: Any) -> str:
    if not isinstance(facts, Mapping):
        return ""
    base = facts["candidates"][0]
    rows = []
    for entry in facts["candidates"]:
        shown = entry["alike"] if entry["right"] is None else entry["right"]
        rows.append(
            (
                entry["name"],
                "" if shown is None else f"{shown:.2f}",
                "" if entry["drop"] is None else f"{entry['drop']:.2f}",
                bytes_text(entry["bytes"]) if entry["bytes"] else "",
                f"{entry['bytes'] / base['bytes']:.2f}" if entry["bytes"] and base["bytes"] else "",
                "" if entry["latency"] is None else seconds_text(entry["latency"]),
                "" if entry["latency_ratio"] is None else f"{entry['latency_ratio']:.2f}",
                "**kept**" if entry["name"] == facts["chosen"] else entry["problem"],
            )
        )
    header = ("precision", facts["measure"], "drop", "size", "of fp32", "latency", "of fp32", "")
    floats: list[str] = next(
        (entry["float_layers"] for entry in facts["candidates"] if entry["name"] == facts["chosen"]), []
    )
    notes = [f"- {note}" for note in facts["notes"]]
    notes += [f"- left in float: {', '.join(map(code, floats))}"] if floats else []
    return "\n\n".join(("## Precision", markdown_table(header, rows, right=(1, 2, 3, 4, 5, 6)), "\n".join(notes)))


def _speed(speed: Speed) -> str:
    if not speed:
        return ""
    rows = [
        (
            "onnxruntime's choice" if threads is None else threads,
            timing.batch_size,
            seconds_text(timing.median),
            seconds_text(timing.p95),
            f"{timing.rows_per_second:,.0f}",
        )
        for threads, timing in speed
    ]
    header = ("threads", "batch", "median", "95th percentile", "rows a second")
    return "\n\n".join(
        (
            "## Speed",
            f"Measured here, on {_machine()}, by onnxruntime {_onnxruntime_version()} on the CPU, with random inputs:",
            markdown_table(header, rows, right=(0, 1, 2, 3, 4)),
        )
    )


def _machine() -> str:
    """The processor's name and its cores."""
    name = ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, UnicodeDecodeError, StopIteration):
        name = platform.processor() or platform.machine()
    count = usable_processors()
    return f"{name}, {count} core{'s' * (count != 1)}, {platform.system()}"


def _onnxruntime_version() -> str:
    from runtime.session.providers import onnxruntime

    return str(onnxruntime().__version__)


def _inputs_and_outputs(report: Report, seen: ModelInspection) -> str:
    roles = {output.name: output.role for output in report.card.outputs}
    prepared = {entry.name: entry.describe() for entry in report.card.inputs}
    inputs = [(code(t.name), t.dtype, _shape(t.shape), prepared.get(t.name, "")) for t in seen.inputs]
    outputs = [(code(t.name), t.dtype, _shape(t.shape), roles.get(t.name, "")) for t in seen.outputs]
    return "\n\n".join(
        (
            "## Inputs and outputs",
            markdown_table(("input", "dtype", "shape", "prepared"), inputs),
            markdown_table(("output", "dtype", "shape", "role"), outputs),
        )
    )


def _shape(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))})"


def _how_to_run(report: Report, seen: ModelInspection, name: str, bundle: bool) -> str:
    lengths = seen.flow.inputs
    feeds = ", ".join(f'"{t.name}": np.zeros({lengths[t.name]}, np.{t.dtype})' for t in seen.inputs)
    sample = _sample_file(report.card)
    plain = [
        "import numpy as np",
        "import onnxruntime",
        "",
        f'session = onnxruntime.InferenceSession("{name}", providers=["CPUExecutionProvider"])',
        f"outputs = session.run(None, {{{feeds}}})",
        "print([output.shape for output in outputs])",
    ]
    call = f'model.predict("{sample}")' if sample else f"model.run({{{feeds}}})"
    ours = ([] if sample else ["import numpy as np"]) + [
        "import runtime",
        "",
        f'model = runtime.load("{name}")',
        f"print({call})",
    ]
    parts = ["## How to run it"]
    if bundle:
        parts.append(_fence("sh", ["pip install -r requirements.txt", "python run.py", "sh check.sh"]))
        parts.append(
            "`run.py` prepares an input, runs the model and prints the result; `check.sh` tells whether it runs here as it did where it was made."
        )
    parts += ["With this toolkit, which prepares inputs as the card says:", _fence("python", ours)]
    inside = all(entry.prepared_in_graph or not entry.has_preparation for entry in report.card.inputs)
    given = "as they are" if inside else "that are prepared already"
    parts += [f"With onnxruntime alone, on arrays {given}:", _fence("python", plain)]
    return "\n\n".join(parts)


def _sample_file(card: ModelCard) -> str | None:
    """A file that `predict` takes, or None where it takes arrays."""
    if len(card.inputs) != 1 or not find_decoder(card.task).predicts:
        return None
    return kind_of(card.inputs[0]).file_name


def _fence(language: str, lines: Sequence[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _making(report: Report) -> str:
    rows = [
        (s.name, s.nodes, bytes_text(s.bytes), f"{s.worst_difference:.1e}", seconds_text(s.seconds), s.note)
        for s in report.stages
    ]
    header = ("stage", "nodes", "bytes", "worst difference", "time", "")
    versions = ", ".join(f"{name} {version}" for name, version in report.card.producer.items())
    made = f"Made with {versions}, onnxruntime {_onnxruntime_version()}, Python {platform.python_version()}."
    return "\n\n".join(("## How it was made", markdown_table(header, rows, right=(1, 2, 3, 4)), made))


def _limits(report: Report, seen: ModelInspection) -> str:
    lines = [f"- {note}" for note in (*report.notes, *seen.warnings)]
    lines.append("- It says something about every input, also about one unlike all that it was trained on.")
    if find_decoder(report.card.task).frequencies_matter:
        lines.append(
            "- Its probabilities are those of the training's data; where classes are otherwise frequent they are off."
        )
    return "## Limits and notes\n\n" + "\n".join(lines)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)

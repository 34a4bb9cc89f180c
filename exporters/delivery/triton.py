"""A model repository of the Triton inference server: `NAME/config.pbtxt`, `NAME/1/model.onnx`, `NAME/labels.txt`.

Layout and fields as Triton's documentation of model repositories and model configuration (and `model_config.proto`) give them.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from exporters.delivery.folders import atomic_folder, check_folder
from exporters.onnx_files.external_data import copy_model
from exporters.report import Report
from runtime.atomic import atomic_write
from runtime.errors import SpecError
from runtime.session import Session, Tensor

__all__ = ["check_repository", "triton_config", "write_triton"]

MAX_BATCH_SIZE = 64
_MARKER = "config.pbtxt"
_DELAY_MICROSECONDS = 500  # how long a request may wait for others to share a batch with

_TYPES = {
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bool": "TYPE_BOOL",
    "object": "TYPE_STRING",
    **{f"{sign}int{bits}": f"TYPE_{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def write_triton(report: Report, repository: str | os.PathLike[str], name: str | None = None) -> Path:
    """Write a Triton model repository with the exported file as version 1 of a model.

    Args:
        report: of the export.
        repository: the folder that `tritonserver --model-repository` is given; made where it is missing.
        name: of the model; None takes the file's.

    Returns:
        The model's folder. A model of that name in the repository is replaced.

    Raises:
        InputError: the repository cannot be written, or holds something else under that name.
        SpecError: `name` is none that Triton takes, or an input has a dtype that it does not know.
    """
    name = name or report.path.stem
    check_repository(Path(repository), name)
    session = Session(report.path, "cpu")
    folder = Path(repository) / name
    config = triton_config(session, name, report.card.labels)
    with atomic_folder(folder, _MARKER) as made:
        (made / "1").mkdir()
        copy_model(report.path, made / "1" / "model.onnx")
        atomic_write(made / "config.pbtxt", config)
        if _labelled(session, report.card.labels):
            atomic_write(made / "labels.txt", "\n".join(report.card.labels) + "\n")
    return folder


def check_repository(repository: Path, name: str) -> None:
    """Raise SpecError or InputError where `write_triton` would refuse the model's name or the repository's content."""
    if not re.fullmatch(r"[\w.+-]+", name, re.ASCII) or name.startswith("."):
        raise SpecError(
            f"The model's name {name!r} was given; letters, digits, '.', '-' and '_' are expected. Name the file otherwise with -o."
        )
    check_folder(repository / name, _MARKER)


def triton_config(session: Session, name: str, labels: tuple[str, ...] = ()) -> str:
    """Triton model configuration of an opened file, in protobuf's text format.

    Where the first axis of every input and output may have any length it is the batch, and Triton joins requests to
    batches; else the model takes requests one by one, with all axes as they are.
    """
    tensors = (*session.inputs, *session.outputs)
    firsts = [tensor.shape[0] if tensor.shape else 0 for tensor in tensors]
    batched = len(set(firsts)) == 1 and session.batch.name == firsts[0]
    lines = [
        "# Arrays go in and come out; the client prepares them as the card in the model says.",
        f"name: {json.dumps(name)}",
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        f"max_batch_size: {MAX_BATCH_SIZE if batched else 0}",
    ]
    lines += [_entry("input", tensor, batched) for tensor in session.inputs]
    labelled = _labelled(session, labels)
    lines += [_entry("output", tensor, batched, tensor.name in labelled) for tensor in session.outputs]
    if batched:
        lines.append(f"dynamic_batching {{\n  max_queue_delay_microseconds: {_DELAY_MICROSECONDS}\n}}")
    return "\n".join(lines) + "\n"


def _entry(what: str, tensor: Tensor, batched: bool, labelled: bool = False) -> str:
    if tensor.dtype not in _TYPES:
        raise SpecError(
            f"The {what} {tensor.name!r} is {tensor.dtype}, which Triton has no type for. Export it as float32, or leave --triton out."
        )
    axes = tensor.shape[1:] if batched else tensor.shape
    dims = ", ".join(str(length) if isinstance(length, int) else "-1" for length in axes)
    # Triton wants at least one axis: one number per row, or a single number, gets one by a reshape
    lines = [f"  name: {json.dumps(tensor.name)}", f"  data_type: {_TYPES[tensor.dtype]}", f"  dims: [ {dims or 1} ]"]
    lines += [] if dims else ["  reshape { shape: [ ] }"]
    lines += ['  label_filename: "labels.txt"'] if labelled else []
    return f"{what} {{\n" + "\n".join(lines) + "\n}"


def _labelled(session: Session, labels: tuple[str, ...]) -> list[str]:
    """Outputs whose last axis has one number per label."""
    card = session.card
    if card is None or not labels or any("\n" in label for label in labels):
        return []
    roles = {output.name: output.role for output in card.outputs}
    found = (tensor for tensor in session.outputs if roles.get(tensor.name) in ("probabilities", "logits"))
    return [tensor.name for tensor in found if len(tensor.shape) == 2 and tensor.shape[-1] == len(labels)]

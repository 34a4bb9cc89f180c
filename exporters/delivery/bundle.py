"""Bundle folder: the model, its card, a script that runs it, and a check that it gives the same results elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

from exporters.delivery.folders import atomic_folder
from exporters.delivery.model_page import model_page
from exporters.delivery.run_script import run_script
from exporters.delivery.sample import Sample, make_sample, write_sample
from exporters.inputs import kind_of
from exporters.inspecting.graph_facts import graph_facts
from exporters.inspecting.inspection import least_onnxruntime
from exporters.onnx_files.external_data import copy_model
from exporters.onnx_files.reading import read_graph
from exporters.report import Report
from exporters.settings import STRICT, Tolerance
from exporters.verifying.verify import References
from runtime.json_text import json_text
from runtime.session import Session

__all__ = ["write_bundle"]

# How much further off than what was allowed here: other processors add up in other orders. Of a lower precision, how much
# further off than the worst number that was found here.
_SLACK, _COARSE_SLACK = 10, 3


def write_bundle(
    report: Report, folder: str | os.PathLike[str], references: References, tolerance: Tolerance = STRICT
) -> Path:
    """Write a bundle that needs Python, NumPy and onnxruntime (Pillow for pictures), and nothing of this toolkit.

    It holds ``model.onnx`` (and ``model.onnx.data`` where the weights are too large for one file), ``card.json``, ``run.py``,
    ``requirements.txt``, ``README.md``, ``sample/`` (a raw input, its prepared arrays, and torch's outputs), and
    ``check.py`` with ``check.sh``, which end with exit code 1 where the sample's outputs differ.

    Args:
        report: of the export.
        folder: made where it is missing; an earlier bundle there is replaced.
        references: the inputs that the export was verified on.
        tolerance: the file's allowed difference.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    sample, target = make_sample(references), Path(folder)
    shown = f"sample/{sample.name or 'input.npz'}"
    fixed = Session(report.path, "cpu").fixed_batch
    with atomic_folder(target, "check.py") as made:
        copy_model(report.path, made / "model.onnx")
        texts = {
            "card.json": json_text(report.card.to_dict(), indent=2) + "\n",
            "run.py": run_script(report.card, shown, fixed),
            "check.py": _check_script(report, sample, tolerance),
            "check.sh": '#!/bin/sh\n# Exit code 1 where the model runs otherwise than where it was made.\nexec "${PYTHON:-python3}" "$(dirname "$0")/check.py"\n',
            "requirements.txt": "\n".join(_requirements(report)) + "\n",
            "README.md": model_page(report, bundle=True),
        }
        for name, text in texts.items():
            (made / name).write_text(text, encoding="utf-8", newline="\n")
        (made / "check.sh").chmod(0o755)
        write_sample(sample, made / "sample")
    return target


def _requirements(report: Report) -> list[str]:
    """pip requirements of the bundle."""
    needed = dict.fromkeys(package for entry in report.card.inputs for package in kind_of(entry).packages)
    least = least_onnxruntime(graph_facts(read_graph(report.path)))
    # 1.21.0 ends with SIGILL on the processor of a Raspberry Pi 4
    return ["numpy", *needed, f"onnxruntime>={least},!=1.21.0" if least else "onnxruntime!=1.21.0"]


def _check_script(report: Report, sample: Sample, tolerance: Tolerance) -> str:
    parity = report.parity
    allowed = {
        name: _SLACK * parity.allowed[name]
        if tolerance.root_mean_square is None
        else _COARSE_SLACK * worst + tolerance.absolute
        for name, worst in parity.worst.items()
    }
    lines = "\n".join(f"    {json.dumps(name, ensure_ascii=False)}: {value:.3g}," for name, value in allowed.items())
    script = _CHECK.replace("ALLOWANCES", lines)
    return script.replace("RAW_FILE", json.dumps(f"sample/{sample.name}") if sample.name else "None")


_CHECK = '''"""Does model.onnx compute here what torch computed where it was made? Exit code 1 if not."""

import sys

import numpy as np

from run import HERE, prepare, run

# output -> the greatest difference from torch that passes
ALLOWED = {
ALLOWANCES
}
RAW_SAMPLE = RAW_FILE


def main():
    with np.load(HERE / "sample" / "input.npz", allow_pickle=False) as arrays:
        given = {name: arrays[name] for name in arrays.files}
    with np.load(HERE / "sample" / "expected.npz", allow_pickle=False) as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    failed = False
    if RAW_SAMPLE is not None:
        for name, array in prepare(HERE / RAW_SAMPLE).items():
            allowed = 1e-4 * max(1, np.abs(array).max())
            failed |= report("input " + name, array, given[name][:1], allowed)
    outputs = run(given)
    for name, array in expected.items():
        failed |= report("output " + name, outputs[name], array, ALLOWED[name])
    return int(failed)


def report(what, found, expected, allowed):
    """Print one comparison; whether it failed."""
    if found.shape != expected.shape:
        print(f"{what}: shape {found.shape}, expected {expected.shape}: WRONG")
        return True
    worst = float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max(initial=0))
    well = worst <= allowed
    print(f"{what}: worst difference {worst:.2g} of {allowed:.2g} allowed: {'ok' if well else 'WRONG'}")
    return not well


if __name__ == "__main__":
    sys.exit(main())
'''

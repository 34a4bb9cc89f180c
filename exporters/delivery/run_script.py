"""The `run.py` of a bundle: a few plain lines that prepare an input as the card says, run the model, and print the result.

Written out for one card, so that a reader sees what happens and can carry it into another program. It must agree
with `runtime.preprocess`; the bundle's `check.py` compares both on the sample.
"""

from __future__ import annotations

from exporters.inputs import kind_of
from exporters.inputs.kind import Script
from runtime.card import ModelCard
from runtime.results import find_decoder

__all__ = ["run_script"]


def run_script(card: ModelCard, sample: str, fixed_batch: int | None = None) -> str:
    """Python source for one card.

    Args:
        card: of the model.
        sample: path of the sample in the bundle, the script's default input.
        fixed_batch: the number of rows that the model insists on, or None.
    """
    prepares = kind_of(card.inputs[0]).script(card.inputs[0]) if len(card.inputs) == 1 else None
    imports, body, what = prepares or _ARRAYS
    libraries = [
        "import numpy as np",
        "import onnxruntime",
        *(["from PIL import Image, ImageOps"] if "Image." in body else []),
    ]
    standard = sorted({"import json", "import sys", *imports})
    head = f'"""Run model.onnx: python run.py {what}... (without one it runs on the sample)."""'
    parts = [
        head,
        "\n".join([*standard, "from pathlib import Path", "", *libraries]),
        _OPENING,
        body,
        _RUN if fixed_batch is None else _RUN_FIXED.replace("ROWS", str(fixed_batch)),
        "\n".join(["def describe(outputs, row):", *find_decoder(card.task).script_lines(card)]),
        _MAIN.replace("SAMPLE", sample),
    ]
    return "\n\n".join(parts[:3]) + "\n\n\n" + "\n\n\n".join(parts[3:]) + "\n"


_OPENING = """HERE = Path(__file__).resolve().parent
CARD = json.loads((HERE / "card.json").read_text(encoding="utf-8"))
SESSION = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])"""

_MAIN = """if __name__ == "__main__":
    for path in sys.argv[1:] or [HERE / "SAMPLE"]:
        print(path)
        outputs = run(prepare(path))
        for row in range(len(next(iter(outputs.values())))):
            print("  " + describe(outputs, row))"""

_RUN = """def run(feeds):
    \"\"\"Input name -> array (N, ...); output name -> array.\"\"\"
    names = [output.name for output in SESSION.get_outputs()]
    return dict(zip(names, SESSION.run(names, feeds)))"""

_RUN_FIXED = """def run(feeds):
    \"\"\"Input name -> array (N, ...); output name -> array. The model takes ROWS rows: the last one fills up.\"\"\"
    names = [output.name for output in SESSION.get_outputs()]
    count, parts = len(next(iter(feeds.values()))), []
    for start in range(0, count, ROWS):
        rows = np.minimum(np.arange(start, start + ROWS), count - 1)
        parts.append(SESSION.run(names, {name: array[rows] for name, array in feeds.items()}))
    return {name: np.concatenate(found)[:count] for name, found in zip(names, zip(*parts))}"""

_ARRAYS = Script(
    [],
    '''def prepare(path):
    """An .npz file with one array an input, taken as they are."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}''',
    "INPUTS.npz",
)

"""The `run.py` of a bundle: a few plain lines that prepare an input as the card says, run the model, and print the result.

Written out for one card, so that a reader sees what happens and can carry it into another program. It must agree
with `runtime.preprocess`; the bundle's `check.py` compares both on the sample.
"""

from __future__ import annotations

import json

from runtime.card import ImageInput, InputCard, ModelCard, SequenceInput, TableInput, TextInput

__all__ = ["run_script"]


def run_script(card: ModelCard, sample: str, fixed_batch: int | None = None) -> str:
    """Python source for one card.

    Args:
        card: of the model.
        sample: path of the sample in the bundle, the script's default input.
        fixed_batch: the number of rows that the model insists on, or None.
    """
    prepares = _prepare(card.inputs[0]) if len(card.inputs) == 1 else None
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
        _describe(card),
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

# imports, the function, what the command line takes
_ARRAYS: tuple[list[str], str, str] = (
    [],
    '''def prepare(path):
    """An .npz file with one array an input, taken as they are."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}''',
    "INPUTS.npz",
)


def _prepare(entry: InputCard) -> tuple[list[str], str, str] | None:
    if isinstance(entry, ImageInput):
        return [], _picture(entry), "PICTURE"
    if isinstance(entry, TableInput):
        lines = [
            '    """A CSV file whose header has the card\'s columns."""',
            '    columns = CARD["inputs"][0]["columns"]',
            '    with open(path, encoding="utf-8-sig", newline="") as file:',
            "        rows = [[float(row[name]) for name in columns] for row in csv.DictReader(file)]",
            "    values = np.array(rows, np.float64)",
            *_scaling(entry),
            f"    return {{{_quoted(entry.name)}: values.astype(np.float32)}}",
        ]
        return ["import csv"], "\n".join(["def prepare(path):", *lines]), "TABLE.csv"
    if isinstance(entry, SequenceInput):
        lines = [
            '    """A .npy file with one sequence (steps, features): scaled, cut or filled up with zeros at its end."""',
            f"    values = np.load(path, allow_pickle=False).astype(np.float64).reshape(-1, {entry.features})[:{entry.length}]",
            *_scaling(entry),
            f"    rows = np.zeros((1, {entry.length}, {entry.features}), np.float32)",
            "    rows[0, :len(values)] = values",
            f"    return {{{_quoted(entry.name)}: rows}}",
        ]
        return [], "\n".join(["def prepare(path):", *lines]), "SEQUENCE.npy"
    return _text(entry) if isinstance(entry, TextInput) else None


def _picture(entry: ImageInput) -> str:
    color = "RGB" if entry.color == "RGB" else "L"
    lines = [
        "def prepare(path):",
        '    """A picture of any format that Pillow opens, 8 bits a channel."""',
        "    image = Image.open(path)",
    ]
    if entry.orientation == "exif":
        lines.append("    image = ImageOps.exif_transpose(image)")
    lines += [
        '    if "A" in image.getbands() or "transparency" in image.info:  # what is transparent lies on white',
        '        image = image.convert("RGBA")',
        '        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)',
        f'    image = image.convert("{color}")',
    ]
    if entry.prepared_in_graph:
        lines += [
            "    # resizing and scaling are in the model itself",
            "    pixels = np.asarray(image, np.uint8).reshape(image.height, image.width, -1)",
            f"    return {{{_quoted(entry.name)}: pixels[None]}}",
        ]
        return "\n".join(lines)
    resample = f"Image.Resampling.{entry.filter.upper()}"
    if isinstance(entry.resize, int):
        lines += [
            f"    size = tuple(int({entry.resize} * length / min(image.size)) for length in image.size)",
            f"    image = image.resize(size, {resample})",
        ]
    elif entry.resize is not None:
        lines.append(f"    image = image.resize(({entry.resize[1]}, {entry.resize[0]}), {resample})")
    if entry.crop is not None:
        height, width = entry.crop
        lines += [
            f"    spare = image.width - {width}, image.height - {height}",
            "    left, top = (round(pixels / 2) if pixels >= 0 else -(-pixels // 2) for pixels in spare)",
            f"    image = image.crop((left, top, left + {width}, top + {height}))",
        ]
    lines += [
        "    pixels = np.asarray(image, np.float32).reshape(image.height, image.width, -1)",
        f"    pixels = pixels * np.float32({entry.scale!r})",
    ]
    if any(entry.mean):
        lines.append(f"    pixels = pixels - np.array({_numbers(entry.mean)}, np.float32)")
    if entry.std and set(entry.std) != {1.0}:
        lines.append(f"    pixels = pixels / np.array({_numbers(entry.std)}, np.float32)")
    rows = "pixels.transpose(2, 0, 1)[None]" if entry.layout == "NCHW" else "pixels[None]"
    lines.append(f"    return {{{_quoted(entry.name)}: np.ascontiguousarray({rows})}}")
    return "\n".join(lines)


def _text(entry: TextInput) -> tuple[list[str], str, str]:
    lines = [
        "def prepare(path):",
        '    """A text file in UTF-8, one text a line."""',
        '    entry, rows = CARD["inputs"][0], []',
    ]
    special = sorted({index for index in (entry.padding, entry.unknown) if index is not None})
    lines += [
        f'    known = {{token: index for index, token in enumerate(entry["vocabulary"]) if index not in {special}}}',
        '    for text in filter(None, map(str.strip, Path(path).read_text(encoding="utf-8-sig").split("\\n"))):',
    ]
    lines += [f'        text = unicodedata.normalize("{entry.normalization}", text)'] * (entry.normalization != "none")
    lines += ["        text = text.lower()"] * entry.lowercase
    if entry.strip_accents:
        lines += [
            '        marks = unicodedata.normalize("NFD", text)',
            '        kept = (mark for mark in marks if unicodedata.category(mark) != "Mn")',
            '        text = unicodedata.normalize("NFC", "".join(kept))',
        ]
    tokens = "list(text)" if entry.level == "character" else 're.findall(r"\\w+|[^\\w\\s]", text)'
    look_up = "known[token]" if entry.unknown is None else f"known.get(token, {entry.unknown})"
    lines += [
        f"        row = [{look_up} for token in {tokens}][:{entry.length}]",
        f"        rows.append(row + [{entry.padding or 0}] * ({entry.length} - len(row)))",
        f"    return {{{_quoted(entry.name)}: np.array(rows, np.int64)}}",
    ]
    imports = (["import unicodedata"] if "unicodedata" in "\n".join(lines) else []) + (
        ["import re"] if entry.level == "word" else []
    )
    return imports, "\n".join(lines), "LINES.txt"


def _scaling(entry: TableInput | SequenceInput) -> list[str]:
    lines = ['    entry = CARD["inputs"][0]'] if entry.mean or entry.std else []
    lines += ['    values = values - np.array(entry["mean"])'] if entry.mean else []
    return lines + (['    values = values / np.array(entry["std"])'] if entry.std else [])


def _describe(card: ModelCard) -> str:
    """Source of the function that formats one row's result as text."""
    lines = ["def describe(outputs, row):"]
    probabilities, logits, values = (card.output(role) for role in ("probabilities", "logits", "values"))
    if card.task == "classification" and (probabilities or logits):
        lines.append('    """The five most probable classes of one row."""')
        if probabilities:
            lines.append(f"    probabilities = outputs[{_quoted(probabilities)}][row]")
        else:
            lines += [
                f"    powers = np.exp(outputs[{_quoted(logits)}][row] - outputs[{_quoted(logits)}][row].max())",
                "    probabilities = powers / powers.sum()",
            ]
        lines += [
            "    best = probabilities.argsort()[::-1][:5]",
            f'    return ", ".join(f"{{{_label(card)}}} {{probabilities[index]:.2%}}" for index in best)',
        ]
    elif card.task == "multilabel" and probabilities:
        lines += [
            '    """The labels of one row with a probability above one half."""',
            f"    found = [(index, p) for index, p in enumerate(outputs[{_quoted(probabilities)}][row]) if p > 0.5]",
            f'    return ", ".join(f"{{{_label(card)}}} {{p:.2%}}" for index, p in found) or "none"',
        ]
    elif card.task == "regression" and values:
        lines += [
            '    """The predicted numbers of one row."""',
            f"    found = enumerate(outputs[{_quoted(values)}][row].ravel())",
            f'    return ", ".join(f"{{{_label(card)}}} {{value:.6g}}" for index, value in found)',
        ]
    else:
        lines += [
            '    """Each output of one row: its shape and where its numbers lie."""',
            "    rows = {name: value[row] for name, value in outputs.items() if np.ndim(value) and len(value) > row}",
            '    ranges = {name: f"{part.min():.4g} to {part.max():.4g}" for name, part in rows.items() if part.size}',
            '    return ", ".join(f"{name} {rows[name].shape} {words}" for name, words in ranges.items())',
        ]
    return "\n".join(lines)


def _label(card: ModelCard) -> str:
    return "CARD['labels'][index]" if card.labels else "index"


def _quoted(text: str | None) -> str:
    """A string literal with double quotes, as the rest of the script has them."""
    return json.dumps(text, ensure_ascii=False)


def _numbers(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(repr(float(value)) for value in values) + "]"

"""The demo's report: one HTML file with everything inside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from runtime.atomic import atomic_write
from runtime.console import bytes_text, seconds_text
from toolkit.demo.record import Demo
from toolkit.explain.plots import confusion_matrix, confusion_png, curves_png

__all__ = ["write_report"]

_SAMPLES = 24


def write_report(demo: Demo, target: Path) -> None:
    """Write `target`; it needs no other file and no network."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("toolkit.demo", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"bytes": bytes_text, "seconds": seconds_text}
    labels = list(demo.predictions[0].labels)
    truth = [labels.index(name) for name in demo.truth]
    matrix = confusion_matrix(truth, [found.index for found in demo.predictions], len(labels))
    text = environment.get_template("report.html.jinja").render(
        demo=demo,
        facts=demo.facts,
        curves=_data(curves_png(demo.history, dpi=150)),
        confusion=_data(confusion_png(matrix, labels, dpi=150)),
        samples=_samples(demo),
        mistakes=[_sample(demo, n) for n in _wrong(demo)][:_SAMPLES],
        neighbours=[_row(entry) for entry in demo.neighbours],
    )
    atomic_write(target, text)


def _wrong(demo: Demo) -> list[int]:
    return [n for n, (found, true) in enumerate(zip(demo.predictions, demo.truth, strict=True)) if found.label != true]


def _samples(demo: Demo) -> list[dict[str, Any]]:
    """Some held-out pictures, spread evenly over the digits."""
    step = max(1, len(demo.predictions) // _SAMPLES)
    return [_sample(demo, number) for number in range(0, len(demo.predictions), step)][:_SAMPLES]


def _sample(demo: Demo, number: int) -> dict[str, Any]:
    found = demo.predictions[number]
    return {
        "picture": _picture(str(found.source)),
        "label": found.label,
        "probability": found.probability,
        "truth": demo.truth[number],
        "right": found.label == demo.truth[number],
    }


def _row(entry: Any) -> dict[str, Any]:
    digit = Path(entry.query).parent.name
    return {
        "query": _picture(entry.query),
        "digit": digit,
        "found": [
            {
                "picture": _picture(path),
                "score": score,
                "digit": Path(path).parent.name,
                "right": Path(path).parent.name == digit,
            }
            for path, score in zip(entry.paths, entry.scores, strict=True)
        ],
    }


def _picture(path: str) -> str:
    return _data(Path(path).read_bytes())


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()

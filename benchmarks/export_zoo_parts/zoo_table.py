"""The table of the zoo loop as Markdown."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["markdown"]

_TITLES = {
    "classification": "torchvision: classification",
    "segmentation": "torchvision: segmentation",
    "detection": "torchvision: detection",
    "video": "torchvision: video classification",
    "optical_flow": "torchvision: optical flow",
    "timm": "timm: one or two of each family",
}

_INTRODUCTION = """# Every network of torchvision, and one of each family of timm

Each is exported by the same call, `export(module, "model.onnx", example=...)`, in a process of its own: traced with a dynamic batch,
simplified, stamped, and verified against torch at batches of 1, 2 and 5 rows (segmentation also at other heights and widths). What is not
verified is not written. `python benchmarks/export_zoo.py` makes this page again; it goes on where it was stopped.

Weights are random, but not as they come: constant layer scales and normalisations get random numbers, each layer's output is scaled
to a variance of 1, and batch normalisations gather statistics, so that a wrong layer anywhere shows in the result. Inputs are small
where a network allows it. *worst difference* is the worst absolute one of the output that came nearest to its limit, which is
*allowed* (1e-5 + 1e-5 of the greatest magnitude). *nodes* are those after the trace, which optimises already, and those of
the file. *seconds* are those of the whole export on one thread of a machine that was busy with other things, without building the network.

Detectors return lists of as many boxes as they find. The file returns the same boxes, scores and labels (masks, keypoints) as tensors of
a fixed shape, empty places labelled -1, for a batch of any size; height and width are fixed.
"""


def markdown(results: Mapping[str, Mapping[str, Any]], order: Sequence[tuple[str, str]]) -> str:
    """The page.

    Args:
        results: name -> what came of it.
        order: (name, group) in the order of the page; those without a result are left out.
    """
    parts = [_INTRODUCTION, _summary(results, order)]
    for group, title in _TITLES.items():
        known = [results[name] for name, of in order if of == group and name in results]
        if not known:
            continue
        parts.append(f"## {title}\n")
        parts.append("| network | parameters | input | nodes | worst difference | allowed | opset | route | seconds |")
        parts.append("|---|--:|---|--:|--:|--:|--:|---|--:|")
        parts += [_row(entry) for entry in known]
        refused = [entry for entry in known if not entry["passed"]]
        if refused:
            parts.append("\nRefused:\n")
            parts += [f"- `{_short(entry)}`: {entry['reason']}" for entry in refused]
        parts.append("")
    return "\n".join(parts)


def _summary(results: Mapping[str, Mapping[str, Any]], order: Sequence[tuple[str, str]]) -> str:
    lines = ["| group | exported and verified |", "|---|--:|"]
    for group, title in _TITLES.items():
        known = [results[name] for name, of in order if of == group and name in results]
        missing = sum(of == group and name not in results for name, of in order)
        if known:
            later = f"; {missing} not run yet" if missing else ""
            lines.append(f"| {title} | {sum(entry['passed'] for entry in known)} of {len(known)}{later} |")
    versions = {entry["versions"] for entry in results.values() if "versions" in entry}
    made = f"\nMade with {' and '.join(sorted(versions))}; {platform.machine()}.\n" if versions else ""
    return "\n".join([*lines, made])


def _row(entry: Mapping[str, Any]) -> str:
    size = " x ".join(map(str, entry.get("input", ())))
    parameters = f"{entry['parameters'] / 1e6:.1f} M" if "parameters" in entry else ""
    if not entry["passed"]:
        return f"| {_short(entry)} | {parameters} | {size} | | refused, see below | | | | |"
    boxes = f" ({entry['boxes']:.0f} boxes a picture)" if "boxes" in entry else ""
    before, after = entry["nodes"]
    nodes = str(after) if before == after else f"{before} → {after}"
    return (
        f"| {_short(entry)}{boxes} | {parameters} | {size} | {nodes} | {entry['worst']:.1e} | {entry['allowed']:.1e} | {entry['opset']} | "
        f"{entry['route']} | {entry['seconds']:.0f} |"
    )


def _short(entry: Mapping[str, Any]) -> str:
    return str(entry["name"].partition(":")[2])

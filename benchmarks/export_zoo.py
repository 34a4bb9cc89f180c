"""Export every network of torchvision, and one of each family of timm, and print one table of what came of it.

    python benchmarks/export_zoo.py --table docs/export-zoo.md   # all of them, resumable
    python benchmarks/export_zoo.py --only 'resnet*' --results again.jsonl

Weights are random (see export_zoo_parts/zoo_weights.py). Each network is built, exported with a dynamic batch, simplified and verified in a process
of its own. What is found is kept, one line of JSON a network; those that are in the file already are not run again.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from export_zoo_parts import zoo_networks
from export_zoo_parts.zoo_table import markdown
from separate_process import ProcessEnded, Separate

from runtime.atomic import atomic_write

RESULTS = Path("export_zoo.jsonl")
TIME_LIMIT_SECONDS = 3600
ROWS = 5
PRELOADED = ("onnxruntime", "onnx", "torchvision", "timm", "exporters.pipeline", "export_zoo_parts.zoo_weights")


def export_one(name: str, group: str, published: bool = False) -> dict[str, Any]:
    """Build, export and verify one network; what came of it in plain containers."""
    import onnxruntime
    import torch
    from export_zoo_parts.zoo_weights import fresh_weights, pictures

    from exporters import export
    from exporters.outputs.detection import padded_detections
    from runtime.errors import ToolkitError

    entry = zoo_networks.build(name, group, published)
    result: dict[str, Any] = {"name": name, "group": group, "input": list(entry.shape)}
    result["parameters"] = sum(parameter.numel() for parameter in entry.module.parameters())
    example = tuple(pictures((ROWS, *entry.shape), seed) for seed in range(entry.inputs))
    fresh_weights(entry.module, lambda module: module(*example))
    zoo_networks.soften_offsets(entry.module)
    result |= _seen(padded_detections(entry.module), example)
    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            # probabilities of a thousand classes are so small that a difference in them is hardly seen
            outputs = None if entry.task is None else ("probabilities", "logits")
            report = export(
                entry.module,
                Path(folder, "model.onnx"),
                example=example,
                task=entry.task,
                outputs=outputs,
                dynamic=entry.dynamic,
            ).to_dict()
    except ToolkitError as error:
        result |= {"passed": False, "reason": str(error), "seconds": time.perf_counter() - started}
    else:
        parity = report["parity"]
        worst = max(parity["worst"], key=lambda output: parity["worst"][output] / parity["allowed"][output])
        result |= {
            "passed": True,
            "seconds": time.perf_counter() - started,
            "nodes": [report["stages"][0]["nodes"], report["stages"][-1]["nodes"]],
            "worst": parity["worst"][worst],
            "allowed": parity["allowed"][worst],
            "shapes": parity["shapes"],
            "opset": report["opset"],
            "bytes": report["bytes"],
            "route": report["facts"].get("trace", {}).get("route", "torch.export"),
            "stages": {stage["name"]: [round(stage["seconds"], 2), stage["note"]] for stage in report["stages"]},
            "notes": report["notes"],
        }
    result["peak_bytes"] = 1024 * max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    result["versions"] = f"torch {torch.__version__.partition('+')[0]}, onnxruntime {onnxruntime.__version__}"
    return result


def _seen(module: Any, example: Any) -> dict[str, float]:
    """What tells whether a comparison says much.

    "spread" is how far rows differ in what comes out, to the greatest magnitude; of a detector "boxes" are those a picture.
    """
    import torch

    from exporters.forward.results import flat_outputs

    with torch.no_grad():
        outputs = module.eval()(*example)
    values = [value for value in flat_outputs(outputs) if value.is_floating_point()]
    found = {"spread": min(float((v - v[:1]).abs().max() / v.abs().max().clamp(min=1e-30)) for v in values)}
    if isinstance(outputs, dict) and "labels" in outputs:
        found["boxes"] = float((outputs["labels"] >= 0).sum() / len(outputs["labels"]))
    return found


def tried(separate: Separate, name: str, group: str, published: bool) -> dict[str, Any]:
    """The same in a process of its own, whatever becomes of it."""
    try:
        found: dict[str, Any] = separate.call(export_one, name, group, published)
        return found
    except ProcessEnded as error:
        return {"name": name, "group": group, "passed": False, "reason": f"The process ended: {error}."}


def wanted(groups: list[str], patterns: list[str], quick: bool) -> list[tuple[str, str]]:
    """(name, group) of what is asked for, in the order of the table."""
    found = []
    for group in groups:
        names = zoo_networks.names(group)
        chosen = [
            name
            for name in names
            if not patterns or any(fnmatch.fnmatch(name.partition(":")[2], pattern) for pattern in patterns)
        ]
        found += [(name, group) for name in (chosen[::12] if quick else chosen)]
    return found


def main() -> None:
    """Parse the arguments, run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="|".join(zoo_networks.GROUPS), help="default: all")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="names to run, such as 'resnet*'"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="one line of JSON a network [%(default)s]")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time [%(default)s]")
    parser.add_argument("--quick", action="store_true", help="every twelfth network")
    parser.add_argument("--published", action="store_true", help="inputs of the published size, not small ones")
    parser.add_argument("--table", type=Path, help="write the page of all results to this Markdown file")
    parser.add_argument("--again", action="store_true", help="run those that failed once more")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads within each process would only wait for each other
    separate = Separate(PRELOADED, TIME_LIMIT_SECONDS)
    known = read(arguments.results)
    asked = wanted(arguments.groups or list(zoo_networks.GROUPS), arguments.only, arguments.quick)
    todo = [
        (name, group) for name, group in asked if name not in known or (arguments.again and not known[name]["passed"])
    ]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(tried, separate, name, group, arguments.published) for name, group in todo]
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            result = future.result()
            with arguments.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            verdict = f"{result['worst']:.1e}" if result["passed"] else result["reason"][:300]
            print(f"[{number}/{len(todo)}] {result['name']}: {verdict}", flush=True)
    if arguments.table:
        order = wanted(list(zoo_networks.GROUPS), [], quick=False)
        atomic_write(arguments.table, markdown(read(arguments.results), order))
    known = read(arguments.results)
    raise SystemExit(0 if all(known[name]["passed"] for name, _ in asked) else 1)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Name -> the last line about it."""
    if not path.exists():
        return {}
    return {entry["name"]: entry for entry in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


if __name__ == "__main__":
    main()

"""Write docs/reference.md from the registries: every name, what it takes, and a script for it.

Usage: python docs/make_reference.py [FILE]
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from runtime.atomic import atomic_write
from toolkit.builder.activations import ACTIVATIONS
from toolkit.builder.initialisation import INITIALISERS
from toolkit.builder.layer_examples import ACTIVATION_EXAMPLES, EXAMPLES, VISION_EXAMPLES
from toolkit.builder.layer_spec import batch_shape
from toolkit.builder.layers import LAYERS, Layer
from toolkit.builder.spec import check
from toolkit.training.losses.registry import LOSSES
from toolkit.training.metrics.registry import METRICS
from toolkit.training.optimization.optimizers import OPTIMIZERS
from toolkit.training.optimization.schedules import SCHEDULES

FAMILIES = {
    "convolution": "Convolutions",
    "pooling": "Pooling",
    "linear": "Linear layers",
    "shaping": "Shapes",
    "padding": "Padding",
    "dropout": "Dropout",
    "normalisation": "Normalisation",
    "tokens": "Tokens and masks",
    "recurrent": "Recurrent layers",
    "attention": "Attention",
    "blocks": "Blocks",
    "whole": "Whole networks",
}

HEAD = """# Reference

Every name that the builder and the trainer know. Names count without case and underscores. `docs/make_reference.py` writes this page
from the code; every script on it runs as a test.

[Layers](#layers) · [Activations](#activations) · [Initialisation](#initialisation) · [Losses](#losses) ·
[Optimisers](#optimisers) · [Schedules](#schedules) · [Metrics](#metrics)
"""

LAYERS_TEXT = """## Layers

`model.add(name, activation=..., init=..., arguments)`. Shapes are those of a batch (N, ...). What can be inferred may be left out:
the first number of `size`, `num_classes` and `vocabulary` once data is loaded. Each script ends in the shape that comes out.
A torch module of your own is added as it is, or as its class with plain arguments: `model.add(MyModule, width=8)`.
"""

TRAINING_TEXT = """```python
import numpy as np

from toolkit import nn

random = np.random.default_rng(0)
points = random.normal(size=(96, 4)).astype("float32")
kinds = (points[:, 0] > 0).astype(int) + (points[:, 1] > 0)
several = np.stack([points[:, 0] > 0, points[:, 1] > 0, points[:, 2] > 0], 1).astype("float32")
amounts = np.abs(points[:, :1] * 2 + points[:, 1:2])


def train(task="cls", last="softmax", outputs=3, **practice):
    model = nn(task, save_fold="runs/reference")
    model.set_seed(0)
    targets = {"cls": kinds, "multilabel": several, "reg": amounts}[task]
    model.load_dataset(points, targets, batch_size=24, train_val_ratio=0.75)
    model.add(optimizer=practice.pop("optimizer", "adam"))
    model.add("linear", size=(4, 16), activation="relu", init=practice.pop("init", None))
    model.add("linear", size=outputs, activation=last)
    return model.train(epochs=2, verbose=False, **practice)
```
"""

# task, last activation, outputs and options worth showing for each loss that rows of numbers can show
LOSS_CALLS = {
    "CrossEntropyLoss": ("cls", "softmax", 3, {"label_smoothing": 0.1}),
    "NLLLoss": ("cls", "logsoftmax", 3, {"weight": [1.0, 2.0, 1.0]}),
    "MultiMarginLoss": ("cls", None, 3, {"margin": 0.5}),
    "BCELoss": ("multilabel", "sigmoid", 3, {}),
    "BCEWithLogitsLoss": ("multilabel", "sigmoid", 3, {"pos_weight": [1.0, 2.0, 1.0]}),
    "MultiLabelSoftMarginLoss": ("multilabel", "sigmoid", 3, {}),
    "SoftMarginLoss": ("multilabel", None, 3, {}),
    "MultiLabelMarginLoss": ("multilabel", None, 3, {}),
    "MSELoss": ("reg", None, 1, {"reduction": "sum"}),
    "L1Loss": ("reg", None, 1, {}),
    "HuberLoss": ("reg", None, 1, {"delta": 0.5}),
    "SmoothL1Loss": ("reg", None, 1, {"beta": 0.5}),
    "PoissonNLLLoss": ("reg", None, 1, {"log_input": True}),
    "GaussianNLLLoss": ("reg", None, 2, {}),
    "KLDivLoss": ("cls", "softmax", 3, {}),
    "TripletMarginLoss": ("cls", None, 8, {"margin": 0.5}),
    "TripletMarginWithDistanceLoss": ("cls", None, 8, {"distance": "cosine", "margin": 0.2}),
    "CosineEmbeddingLoss": ("cls", None, 8, {"margin": 0.2}),
    "HingeEmbeddingLoss": ("cls", None, 8, {}),
}
OPTIONS = {
    "optimizer": {"sgd": {"momentum": 0.9, "nesterov": True}, "adamw": {"betas": [0.9, 0.98]}},
    "schedule": {
        "step": {"step_size": 1},
        "multistep": {"milestones": [1]},
        "cosine": {"eta_min": 0.0001},
        "cosine_restarts": {"T_0": 1},
    },
    "metric": {"acc": {"top_k": 2}, "f1": {"average": "micro"}, "recall_at": {"k": 2}},
    "init": {
        "normal": {"std": 0.05},
        "uniform": {"a": -0.1, "b": 0.1},
        "constant": {"value": 0.1},
        "sparse": {"sparsity": 0.5},
    },
}


def page() -> str:
    """Markdown of the complete reference page."""
    parts = [HEAD, LAYERS_TEXT]
    for module, title in FAMILIES.items():
        parts.append(family(title, [entry for entry in LAYERS.values() if module_of(entry) == module]))
    parts += [vision(), activations(), TRAINING_HEAD, TRAINING_TEXT, initialisers(), losses()]
    parts += [optimizers(), schedules(), metrics()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


TRAINING_HEAD = """## What a training takes

The scripts below use these points and this function.
"""


def module_of(entry: Layer) -> str:
    """The family's file; a network of torchvision with an example of its own stands with the whole networks."""
    module = entry.function.__module__.rsplit(".", 1)[-1]
    return "whole" if module == "vision" and entry.name in EXAMPLES else module


def family(title: str, entries: Iterable[Layer]) -> str:
    """Markdown section of one layer family: a table of layers, and a script for each."""
    entries = list(entries)
    rows = [(name_cell(entry), first_paragraph(entry.function), signature(entry.function)) for entry in entries]
    scripts = [layer_script(entry.name) for entry in entries]
    return f"### {title}\n\n{table(('layer', 'what it does', 'arguments'), rows)}\n\n" + "\n".join(scripts)


def name_cell(entry: Layer) -> str:
    """Markdown cell: the layer's name and its aliases."""
    return ", ".join(f"`{name}`" for name in (entry.name, *entry.aliases))


def layer_script(name: str) -> str:
    """Fenced script that assembles the layer's example and states its output shape."""
    example = EXAMPLES[name]
    spec, shapes = check(example.spec(name))
    lines = ["from toolkit import nn", "", f"model = nn(input_shape={example.input_shape})"]
    lines += [call(layer, arguments) for layer, arguments in example.before]
    given = dict(example.arguments)
    parameters = LAYERS[name].parameters
    complete = spec.layers[-1].arguments
    given |= {key: complete[key] for key in ("num_classes", "vocabulary") if key in parameters and key not in given}
    if name == "embedding" and not isinstance(given.get("size"), tuple):
        given["size"] = complete["size"]
    lines += [call(name, given), f"model.summary()  # {batch_shape(shapes[-1])}"]
    return "```python\n" + "\n".join(lines) + "\n```\n"


def call(name: str, arguments: Mapping[str, Any]) -> str:
    """Source text of the call `model.add(...)`."""
    return f"model.add({', '.join([quoted(name), *(f'{key}={quoted(value)}' for key, value in arguments.items())])})"


def vision() -> str:
    """Markdown section of torchvision's classification networks: their names, and one script."""
    names = ", ".join(f"`{name}`" for name in sorted(VISION_EXAMPLES))
    return (
        "### torchvision's networks\n\n"
        f"Classification networks by torchvision's names; `num_classes` is found from the data, `in_channels` from its pictures. "
        f"`model.load_pretrained()` starts from the published weights.\n\n{names}\n\n"
        "```python\nfrom toolkit import nn\n\nmodel = nn(input_shape=(3, 64, 64))\n"
        'model.add("resnet18", num_classes=10)\nmodel.summary()  # (N, 10)\n```\n'
    )


def activations() -> str:
    """Markdown section of the activations: a table, and one script with all of them."""
    rows = [(f"`{name}`", first_paragraph(function), signature(function)) for name, function in ACTIVATIONS.items()]
    lines = ["from toolkit import nn", "", "model = nn(input_shape=(6,))"]
    for name in ACTIVATIONS:
        options = ACTIVATION_EXAMPLES[name].options
        given = {"name": name, **options} if options else name
        lines.append(f"model.add(activation={quoted(given)})")
    lines.append(f"model.summary()  # {batch_shape((3,))}")
    head = (
        "## Activations\n\nBehind a layer (`activation=`) or alone; with options as a mapping: "
        '`activation={"name": "leakyrelu", "negative_slope": 0.2}`. `glu` halves its axis.\n'
    )
    script = "\n".join(lines)
    return f"{head}\n{table(('activation', 'value', 'options'), rows)}\n\n```python\n{script}\n```\n"


def initialisers() -> str:
    """Markdown section of weight initialisation, for a network or a single layer."""
    rows = [(f"`{name}`", first_paragraph(function), signature(function)) for name, function in INITIALISERS.items()]
    calls = [f"train(init={quoted(setting('init', name))})" for name in INITIALISERS]
    head = (
        "## Initialisation\n\n`nn(init=...)` for the network, `add(..., init=...)` for a layer. Gains follow from the activation behind; "
        "biases become 0; normalisations stay as they are.\n"
    )
    return f"{head}\n{table(('name', 'weights', 'options'), rows)}\n\n{script_of(calls)}"


def losses() -> str:
    """Markdown section of the losses: table of tasks, outputs and options, and one script that trains with each."""
    rows = [
        (f"`{name}`", entry.doc, ", ".join(entry.tasks), entry.output, signature(entry.constructor, LOSS_LEFT_OUT))
        for name, entry in LOSSES.items()
    ]
    calls = [
        f"train({', '.join(quoted(value) for value in (task, last, outputs))}, loss={quoted(named(name, options))})"
        for name, (task, last, outputs, options) in LOSS_CALLS.items()
    ]
    head = (
        "## Losses\n\n`train(loss=...)`: a name, with or without `Loss`; a mapping with options; or a function of (outputs, targets). "
        "A loss that does not fit the network or the data is refused before the first batch, with the reason.\n"
    )
    return f"{head}\n{table(('loss', 'what it measures', 'tasks', 'wants', 'options'), rows)}\n\n{script_of(calls)}"


LOSS_LEFT_OUT = ("size_average", "reduce", "self", "args", "kwargs", "full")


def optimizers() -> str:
    """Markdown section of the optimisers, with the usual learning rate of each."""
    rows = [(f"`{name}`", entry.doc, f"{entry.rate:g}") for name, entry in OPTIMIZERS.items()]
    calls = [f"train(optimizer={quoted(setting('optimizer', name))})" for name in OPTIMIZERS if name != "sparseadam"]
    head = (
        "## Optimisers\n\n`add(optimizer=...)`: a name, or a mapping with torch's own options. `sparseadam` is for embeddings with "
        "`sparse=True` alone.\n"
    )
    return f"{head}\n{table(('optimiser', 'what it does', 'usual rate'), rows)}\n\n{script_of(calls)}"


def schedules() -> str:
    """Markdown section of the learning-rate schedules."""
    rows = [(f"`{name}`", first_paragraph(entry.make), signature(entry.make)) for name, entry in SCHEDULES.items()]
    calls = [
        f"train(schedule={quoted(setting('schedule', name))}, warmup=0.5)" for name in SCHEDULES if name != "lambda"
    ]
    calls.append("train(schedule=lambda epoch: 0.5**epoch)")
    head = "## Schedules\n\n`train(schedule=...)`; times are in epochs. `warmup=` rises linearly before any of them.\n"
    return f"{head}\n{table(('schedule', 'learning rate', 'options'), rows)}\n\n{script_of(calls)}"


def metrics() -> str:
    """Markdown section of the metrics, by task."""
    rows = [
        (f"`{name}`", first_paragraph(entry.measure), ", ".join(entry.tasks), signature(entry.measure, METRIC_LEFT_OUT))
        for name, entry in METRICS.items()
    ]
    classes = [setting("metric", name) for name, entry in METRICS.items() if "classification" in entry.tasks]
    numbers = [name for name, entry in METRICS.items() if "regression" in entry.tasks]
    calls = [f"train(metrics={quoted(classes[start : start + 4])})" for start in range(0, len(classes), 4)]
    calls.append(f'train("reg", None, 1, metrics={quoted(numbers)})')
    head = "## Metrics\n\n`train(metrics=[...])`, on the training and the validation part; `top5` is `acc` with `top_k=5`.\n"
    return f"{head}\n{table(('metric', 'what it says', 'tasks', 'options'), rows)}\n\n{script_of(calls)}"


METRIC_LEFT_OUT = ("outputs", "targets", "task")


def setting(kind: str, name: str) -> Any:
    """A name, or a mapping where there are options worth showing."""
    return named(name, OPTIONS[kind].get(name, {}))


def named(name: str, options: Mapping[str, Any]) -> Any:
    """A name, or {"name": ..., options}."""
    return {"name": name, **options} if options else name


def script_of(calls: Iterable[str]) -> str:
    """Fenced Python script of the given lines."""
    return "```python\n" + "\n".join(calls) + "\n```\n"


def first_paragraph(function: Callable[..., Any]) -> str:
    """First paragraph of the function's docstring, on one line."""
    return " ".join(inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].split())


def signature(function: Callable[..., Any], left_out: tuple[str, ...] = ("in_shape", "weight", "after")) -> str:
    """Signature text of a function: its arguments with their defaults; "" without any."""
    shown = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in left_out:
            continue
        needed = parameter.default is inspect.Parameter.empty
        shown.append(name if needed else f"{name}={quoted(parameter.default)}")
    return f"`{', '.join(shown)}`" if shown else ""


def quoted(value: Any) -> str:
    """`repr` of a value, with double quotes."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {quoted(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(quoted, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(quoted, value)) + ("," if len(value) == 1 else "") + ")"
    return f"{value:g}" if isinstance(value, float) and not value.is_integer() else repr(value)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(
        [*lines, *("| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row) + " |" for row in rows)]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=Path(__file__).with_name("reference.md"))
    atomic_write(parser.parse_args().file, page())

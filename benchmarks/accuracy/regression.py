"""R² of regressions on held-out rows: targets scaled and not, beside scikit-learn's MLPRegressor with scaled targets.

House prices of our own making, scikit-learn's diabetes, and two targets of different size; the same network (32 hidden units, relu),
optimiser (Adam, 0.01, batches of 32) and number of epochs for all.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime.console import table
from toolkit import nn

Data = tuple[np.ndarray, np.ndarray]
TABLES = Path(__file__).resolve().parents[2] / "examples" / "data"


def houses(seed: int) -> Data:
    """Prices of 10^5 to 10^6 by area, age and distance: (800, 3), (800, 1)."""
    random = np.random.default_rng(seed)
    area, age, far = random.uniform(40, 250, 800), random.uniform(0, 90, 800), random.exponential(8, 800)
    price = 60_000 + 3_500 * area * np.exp(-far / 30) - 900 * age + random.normal(0, 12_000, 800)
    return np.stack([area, age, far], 1), price[:, None]


def two_targets(seed: int) -> Data:
    """One target of deviation 1, one of deviation 10^4 about 5,000: (800, 4), (800, 2)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(800, 4))
    y = np.stack([np.sin(x[:, 0]) + 0.5 * x[:, 1], 5_000 + 1e4 * (x[:, 2] + 0.3 * x[:, 3] ** 2)], 1)
    return x, y + random.normal(size=y.shape) * [0.05, 500]


def diabetes(_seed: int) -> Data:
    """The diabetes table: (442, 10), (442, 1), targets 25 to 346."""
    table = np.loadtxt(TABLES / "diabetes.csv", delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1:]


def ours(x: np.ndarray, y: np.ndarray, new: np.ndarray, epochs: int, seed: int, *, scale_targets: bool) -> np.ndarray:
    """Predictions for `new` of a network of this toolkit."""
    columns = {f"x{number}": column for number, column in enumerate(x.T)}
    targets = {f"y{number}": column for number, column in enumerate(y.T)}
    with tempfile.TemporaryDirectory() as folder:
        model = nn("reg", folder)
        model.set_seed(seed)
        model.load_dataset({**columns, **targets}, list(targets), batch_size=32, scale_targets=scale_targets)
        model.add("linear", size=(x.shape[1], 32), activation="relu")
        model.add("linear", size=(32, y.shape[1]))
        model.train(lr=0.01, epochs=epochs, metrics=[], verbose=False)
        return model.inference(new)


def theirs(x: np.ndarray, y: np.ndarray, new: np.ndarray, epochs: int, seed: int) -> np.ndarray:
    """Predictions for `new` of scikit-learn's MLPRegressor with scaled columns and targets."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPRegressor(
        hidden_layer_sizes=(32,),
        alpha=0,
        batch_size=32,
        learning_rate_init=0.01,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(x, y)
    return np.reshape(model.predict(new), (len(new), -1))


def determination(y: np.ndarray, found: np.ndarray) -> np.ndarray:
    """R² of each target, float64."""
    return 1 - np.square(y - found).sum(0) / np.square(y - y.mean(0)).sum(0)


def main() -> None:
    """Parse the arguments, train, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    ways: dict[str, Callable[..., np.ndarray]] = {
        "targets as they are": lambda *given: ours(*given, scale_targets=False),
        "targets scaled": lambda *given: ours(*given, scale_targets=True),
        "MLPRegressor": theirs,
    }
    rows = []
    for name, make in (("house prices", houses), ("diabetes", diabetes), ("two targets", two_targets)):
        for way, predict in ways.items():
            found = []
            try:
                for seed in range(arguments.seeds):
                    x, y = make(seed)
                    order = np.random.default_rng(seed).permutation(len(x))
                    learn, held_out = order[len(x) // 4 :], order[: len(x) // 4]
                    answers = predict(x[learn], y[learn], x[held_out], arguments.epochs, seed)
                    found.append(determination(y[held_out], answers))
            except ModuleNotFoundError:  # scikit-learn is optional here
                continue
            shown = (f"{mean:.3f} ± {std:.3f}" for mean, std in zip(np.mean(found, 0), np.std(found, 0), strict=True))
            rows.append((name, way, ", ".join(shown)))
    print(table(("data", "targets", f"R² of each target, {arguments.seeds} seeds, {arguments.epochs} epochs"), rows))


if __name__ == "__main__":
    main()

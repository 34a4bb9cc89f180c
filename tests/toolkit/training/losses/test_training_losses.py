"""Every loss by name: the number is torch's own, it comes back from JSON, and a few steps lower it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_losses_data import (
    batch,
    classes,
    counts,
    labels,
    network,
    numbers,
    pairs,
    pixel_network,
    pixels,
    shares,
    steps,
    transcripts,
    triplets,
)  # fmt: skip
from torch import nn

from runtime.errors import SpecError
from toolkit.data.dataset import Dataset
from toolkit.tasks.registry import tasks_for_loss
from toolkit.training.losses import LOSSES, default_loss, find_loss, make_loss

Tensor = torch.Tensor


@dataclass
class Case:
    """A loss on a data set: what torch's own gives by hand for the network's plain output and the targets."""

    setting: Any
    source: Callable[[], Dataset]
    network: Callable[[], Any]
    by_hand: Callable[[Tensor, Tensor], Tensor]

    def __str__(self) -> str:
        name = self.setting if isinstance(self.setting, str) else self.setting["name"]
        return f"{name}-{self.source.__name__}"


def one_hot(targets: Tensor) -> Tensor:
    return F.one_hot(targets, 3).float()


def linear(width: int = 3, end: nn.Module | None = None) -> Callable[[], Any]:
    return lambda: network(width, end=end)


def soft() -> Callable[[], Any]:
    return linear(end=nn.Softmax(1))


def ctc(outputs: Tensor, targets: Tensor) -> Tensor:
    logarithms = outputs.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(logarithms, targets.clamp_min(0), torch.full((len(outputs),), 8), (targets > 0).sum(1))


def gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.gaussian_nll_loss(outputs[:, :2], targets, F.softplus(outputs[:, 2:]))


def euclid(a: Tensor, b: Tensor) -> Tensor:
    return F.pairwise_distance(a, b)


def manhattan(a: Tensor, b: Tensor) -> Tensor:
    return F.pairwise_distance(a, b, p=1)


def in_batch(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Anchor, positive and negative, found one by one."""
    found = []
    for anchor in range(len(outputs)):
        behind = [(anchor + ahead) % len(outputs) for ahead in range(1, len(outputs))]
        positive = next(other for other in behind if targets[other] == targets[anchor])
        negative = next(other for other in behind if targets[other] != targets[anchor])
        found.append((anchor, positive, negative))
    return tuple(outputs[list(rows)] for rows in zip(*found, strict=True))  # type: ignore[return-value]


def both(loss: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of pairs over those alike and those not alike that classes form."""

    def by_hand(outputs: Tensor, targets: Tensor) -> Tensor:
        anchor, positive, negative = in_batch(outputs, targets)
        first, second = torch.cat([anchor, anchor]), torch.cat([positive, negative])
        return loss(first, second, torch.tensor([1.0] * len(anchor) + [-1.0] * len(anchor)))

    return by_hand


def hinge(a: Tensor, b: Tensor, sign: Tensor) -> Tensor:
    return F.hinge_embedding_loss(euclid(a, b), sign, margin=2.0)


CASES = [
    # classes
    Case("CrossEntropyLoss", classes, linear(), F.cross_entropy),
    Case({"name": "CrossEntropy", "label_smoothing": 0.1, "weight": [1, 2, 3]}, classes, linear(),
         lambda o, t: F.cross_entropy(o, t, torch.tensor([1.0, 2, 3]), label_smoothing=0.1)),
    Case("NLL", classes, linear(end=nn.LogSoftmax(1)), F.nll_loss),
    Case("NLL", classes, soft(), lambda o, t: F.nll_loss(o.log(), t)),
    Case({"name": "MultiMargin", "p": 2, "margin": 0.5}, classes, linear(), lambda o, t: F.multi_margin_loss(o, t, 2, 0.5)),
    Case("BCE", classes, soft(), lambda o, t: F.binary_cross_entropy(o, one_hot(t))),
    Case("BCE", classes, linear(end=nn.Sigmoid()), lambda o, t: F.binary_cross_entropy(o, one_hot(t))),
    Case("BCEWithLogits", classes, linear(), lambda o, t: F.binary_cross_entropy_with_logits(o, one_hot(t))),
    Case("MultiLabelSoftMargin", classes, linear(), lambda o, t: F.multilabel_soft_margin_loss(o, one_hot(t))),
    Case("SoftMargin", classes, linear(), lambda o, t: F.soft_margin_loss(o, 2 * one_hot(t) - 1)),
    Case("MultiLabelMargin", classes, linear(),
         lambda o, t: F.multilabel_margin_loss(o, torch.stack([t, -torch.ones_like(t), -torch.ones_like(t)], 1))),
    Case("MSE", classes, soft(), lambda o, t: F.mse_loss(o, one_hot(t))),
    Case("MSE", classes, linear(end=nn.LogSoftmax(1)), lambda o, t: F.mse_loss(o.exp(), one_hot(t))),
    Case("L1", classes, soft(), lambda o, t: F.l1_loss(o, one_hot(t))),
    Case({"name": "SmoothL1", "beta": 0.5}, classes, soft(), lambda o, t: F.smooth_l1_loss(o, one_hot(t), beta=0.5)),
    Case({"name": "Huber", "delta": 0.3}, classes, soft(), lambda o, t: F.huber_loss(o, one_hot(t), delta=0.3)),
    Case({"name": "KLDiv", "reduction": "batchmean"}, classes, linear(),
         lambda o, t: F.kl_div(o.log_softmax(1), one_hot(t), reduction="batchmean")),
    # labels
    Case("BCEWithLogits", labels, linear(), F.binary_cross_entropy_with_logits),
    Case({"name": "BCEWithLogits", "pos_weight": [1, 2, 3]}, labels, linear(end=nn.Sigmoid()),
         lambda o, t: F.binary_cross_entropy_with_logits(o.logit(), t, pos_weight=torch.tensor([1.0, 2, 3]))),
    Case("BCE", labels, linear(end=nn.Sigmoid()), F.binary_cross_entropy),
    Case("MultiLabelSoftMargin", labels, linear(end=nn.Sigmoid()), lambda o, t: F.multilabel_soft_margin_loss(o.logit(), t)),
    Case("SoftMargin", labels, linear(), lambda o, t: F.soft_margin_loss(o, 2 * t - 1)),
    Case("MultiLabelMargin", labels, linear(),
         lambda o, t: F.multilabel_margin_loss(o, torch.tensor(
             [([c for c in range(3) if row[c]] + [-1] * 3)[:3] for row in t.tolist()]))),
    Case("MSE", labels, linear(end=nn.Sigmoid()), F.mse_loss),
    Case("L1", labels, linear(end=nn.Sigmoid()), F.l1_loss),
    Case("SmoothL1", labels, linear(end=nn.Sigmoid()), F.smooth_l1_loss),
    Case("Huber", labels, linear(end=nn.Sigmoid()), F.huber_loss),
    # numbers
    Case("MSE", numbers, linear(1), F.mse_loss),
    Case({"name": "mse_loss", "reduction": "sum"}, numbers, linear(1), lambda o, t: F.mse_loss(o, t, reduction="sum")),
    Case("L1", numbers, linear(1), F.l1_loss),
    Case({"name": "SmoothL1", "beta": 2}, numbers, linear(1), lambda o, t: F.smooth_l1_loss(o, t, beta=2.0)),
    Case({"name": "Huber", "delta": 2}, numbers, linear(1), lambda o, t: F.huber_loss(o, t, delta=2.0)),
    Case("PoissonNLL", counts, linear(1), F.poisson_nll_loss),
    Case({"name": "PoissonNLL", "log_input": False, "full": True}, counts, linear(1, nn.Softplus()),
         lambda o, t: F.poisson_nll_loss(o, t, log_input=False, full=True)),
    Case("GaussianNLL", lambda: numbers(targets=2), linear(4), gaussian),
    Case("KLDiv", shares, soft(), lambda o, t: F.kl_div(o.log(), t, reduction="batchmean")),
    Case("BCE", shares, linear(end=nn.Sigmoid()), F.binary_cross_entropy),
    Case("MarginRanking", numbers, linear(1), lambda o, t: F.margin_ranking_loss(
        o.flatten(), o.flatten().roll(-1), (t - t.roll(-1, 0)).flatten().sign())),
    # a class at each position, and transcripts
    Case("CrossEntropy", steps, linear(), lambda o, t: F.cross_entropy(o.transpose(1, 2), t)),
    Case("CrossEntropy", pixels, lambda: pixel_network(3, nn.Softmax(1)), lambda o, t: F.nll_loss(o.log(), t)),
    Case({"name": "CrossEntropy", "weight": [0, 1, 2], "label_smoothing": 0.2}, pixels, lambda: pixel_network(3),
         lambda o, t: F.cross_entropy(o, t, torch.tensor([0.0, 1, 2]), label_smoothing=0.2)),
    Case({"name": "CrossEntropy", "reduction": "sum"}, steps, linear(),
         lambda o, t: F.cross_entropy(o.transpose(1, 2), t, reduction="sum")),
    Case({"name": "CrossEntropy", "ignore_index": 1}, classes, linear(), lambda o, t: F.cross_entropy(o, t, ignore_index=1)),
    Case("NLL", steps, linear(end=nn.LogSoftmax(2)), lambda o, t: F.nll_loss(o.transpose(1, 2), t)),
    Case("NLL", pixels, lambda: pixel_network(3, nn.LogSoftmax(1)), F.nll_loss),
    Case("CTC", transcripts, linear(), ctc),
    # pairs and triplets, given or formed by class
    Case({"name": "CosineEmbedding", "margin": 0.2}, pairs, linear(),
         lambda o, t: F.cosine_embedding_loss(o[:, 0], o[:, 1], t, margin=0.2)),
    Case({"name": "HingeEmbedding", "margin": 2}, pairs, linear(), lambda o, t: hinge(o[:, 0], o[:, 1], t)),
    Case({"name": "MarginRanking", "margin": 0.5}, pairs, linear(1),
         lambda o, t: F.margin_ranking_loss(o[:, 0, 0], o[:, 1, 0], t, margin=0.5)),
    Case({"name": "TripletMargin", "margin": 2, "p": 1}, triplets, linear(),
         lambda o, t: F.triplet_margin_loss(*o.unbind(1), margin=2.0, p=1)),
    Case({"name": "TripletMarginWithDistance", "distance": "cosine"}, triplets, linear(),
         lambda o, t: F.triplet_margin_with_distance_loss(
             *o.unbind(1), distance_function=lambda a, b: 1 - F.cosine_similarity(a, b))),
    Case("CosineEmbedding", triplets, linear(), lambda o, t: F.cosine_embedding_loss(
        torch.cat([o[:, 0], o[:, 0]]), torch.cat([o[:, 1], o[:, 2]]), torch.tensor([1.0] * 12 + [-1.0] * 12))),
    Case({"name": "CosineEmbedding", "margin": 0.1}, classes, linear(2),
         both(lambda a, b, sign: F.cosine_embedding_loss(a, b, sign, margin=0.1))),
    Case({"name": "HingeEmbedding", "margin": 2}, classes, linear(2), both(hinge)),
    Case("TripletMargin", classes, linear(2), lambda o, t: F.triplet_margin_loss(*in_batch(o, t))),
    Case({"name": "TripletMarginWithDistance", "distance": "manhattan", "swap": True}, classes, linear(2),
         lambda o, t: F.triplet_margin_with_distance_loss(*in_batch(o, t), distance_function=manhattan, swap=True)),
    Case("TripletMarginWithDistance", classes, linear(2),
         lambda o, t: F.triplet_margin_with_distance_loss(*in_batch(o, t), distance_function=euclid)),
    Case({"name": "MarginRanking", "margin": 0.1}, classes, linear(), lambda o, t: F.margin_ranking_loss(
        o.gather(1, t[:, None]), o.roll(-1, 0).gather(1, t[:, None]), torch.ones(len(t), 1), margin=0.1)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_number_is_torchs_own_and_comes_back_from_json(case: Case) -> None:
    source, module = case.source(), case.network()
    inputs, targets = batch(source)
    plain = module(inputs) if source.views == 1 else module(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
    expected = case.by_hand(plain, targets)
    first = make_loss(json.loads(json.dumps(case.setting)), source, module)
    again = make_loss(json.loads(json.dumps(first.to_setting())), source, module)
    for loss in (first, again):
        torch.testing.assert_close(loss(loss.forward(inputs), targets), expected, rtol=1e-5, atol=1e-6)
    assert again.to_setting() == first.to_setting()
    assert again.name in LOSSES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_few_steps_lower_it(case: Case) -> None:
    source, module = case.source(), case.network()
    inputs, targets = batch(source)
    loss = make_loss(case.setting, source, module)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.03)
    values = []
    for _ in range(25):
        value = loss(loss.forward(inputs), targets)
        values.append(float(value.detach()))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert values[-1] < values[0] - 1e-4


def test_every_loss_and_each_of_its_tasks_is_among_the_cases() -> None:
    found = {(find_loss(case.setting, case.source().task)[0], case.source().task) for case in CASES}
    assert found == {(name, task) for name in LOSSES for task in tasks_for_loss(name)}
    assert all(entry.doc.endswith(".") for entry in LOSSES.values())
    assert [default_loss(task) for task in ("classification", "dense", "regression")] == [
        "CrossEntropyLoss", "CrossEntropyLoss", "MSELoss",
    ]  # fmt: skip
    assert default_loss("embedding", views=3) == "TripletMarginLoss"


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "crossentropy", "cross_entropy", "CROSS_ENTROPY_LOSS"])
def test_names_are_found_without_case_underscores_or_loss_at_their_end(name: str) -> None:
    assert find_loss(name, "classification") == ("CrossEntropyLoss", {})


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_network_is_trained_on_its_logits_where_the_loss_applies_its_own(end: nn.Module) -> None:
    source, module = classes(), network(3, end=end)
    inputs, _ = batch(source)
    for name in ("CrossEntropy", "BCEWithLogits", "MultiMargin", "MultiLabelSoftMargin"):
        assert torch.equal(make_loss(name, source, module).forward(inputs), module[0](inputs))
    assert torch.equal(make_loss("MSE", source, linear()()).forward(inputs), linear()()(inputs))


@pytest.mark.parametrize(("name", "end"), [("NLL", nn.Softmax(1)), ("BCE", nn.Sigmoid()), ("KLDiv", nn.Softmax(1))])
def test_logarithms_of_vanishing_probabilities_stay_finite_and_learn(name: str, end: nn.Module) -> None:
    source, module = classes(3), network(3, end=end)
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].bias.copy_(torch.tensor([-200.0, 200.0, 200.0]))  # the first class's probability is 0 in float32
    loss = make_loss(name, source, module)
    inputs, targets = batch(source)
    value = loss(loss.forward(inputs), targets)
    value.backward()
    assert torch.isfinite(value)
    assert float(module[0].bias.grad[0]) < -1e-3


def test_shares_of_several_classes_are_targets_too() -> None:
    source = classes()
    inputs, targets = batch(source)
    mixed = 0.7 * one_hot(targets) + 0.3 * one_hot(targets).roll(1, 0)
    for name, entry in LOSSES.items():
        if not entry.soft_targets or "classification" not in tasks_for_loss(name):
            continue
        loss = make_loss(name, source, soft()(), soft_targets=True)
        outputs = loss.forward(inputs)
        torch.testing.assert_close(loss(outputs, one_hot(targets)), loss(outputs, targets))
        assert torch.isfinite(loss(outputs, mixed))
        assert loss.weight(mixed) == 12
    loss = make_loss("CrossEntropy", source, linear()(), class_weights=torch.tensor([1.0, 2.0, 3.0]))
    outputs = loss.forward(inputs)
    expected = F.cross_entropy(outputs, mixed, torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(loss(outputs, mixed), expected)


def test_class_weights_are_torchs_and_parts_of_a_batch_average_to_the_whole() -> None:
    weights = torch.tensor([0.5, 1.0, 4.0])
    for name, source, module in (
        ("CrossEntropy", classes(), linear()()),
        ("NLL", classes(), soft()()),
        ("MultiMargin", classes(), linear()()),
        ("BCE", classes(), soft()()),
        ("BCE", labels(), linear(end=nn.Sigmoid())()),
        ("BCEWithLogits", labels(), linear()()),
        ("MultiLabelSoftMargin", labels(), linear()()),
        ("CrossEntropy", steps(), linear()()),
        ("CrossEntropy", pixels(), pixel_network(3)),
    ):
        loss = make_loss(name, source, module, class_weights=weights)
        parts = [batch(source, slice(0, 5)), batch(source, slice(5, None))]
        values = [float(loss(loss.forward(inputs), targets).detach()) for inputs, targets in parts]
        shares_of_it = [loss.weight(targets) for _, targets in parts]
        inputs, targets = batch(source)
        mean = sum(v * w for v, w in zip(values, shares_of_it, strict=True)) / sum(shares_of_it)
        assert mean == pytest.approx(float(loss(loss.forward(inputs), targets).detach()), rel=1e-5)
        assert sum(shares_of_it) == pytest.approx(loss.weight(targets))
        alike = make_loss(name, source, module, class_weights=torch.ones(3))
        plain = make_loss(name, source, module)
        torch.testing.assert_close(alike(alike.forward(inputs), targets), plain(plain.forward(inputs), targets))
    module = linear()()
    loss = make_loss("CrossEntropy", classes(), module, class_weights=weights)
    inputs, targets = batch(classes())
    torch.testing.assert_close(loss(loss.forward(inputs), targets), F.cross_entropy(module(inputs), targets, weights))


def test_a_batch_in_which_nothing_counts_has_a_loss_of_zero_that_the_network_is_part_of() -> None:
    cases = [
        (make_loss("CrossEntropy", steps(), linear()()), batch(steps())[0], torch.full((8, 5), -100)),
        (make_loss("TripletMargin", classes(), linear(2)()), batch(classes())[0], torch.zeros(12, dtype=torch.int64)),
        (
            make_loss("CosineEmbedding", classes(), linear(2)()),
            batch(classes())[0][:1],
            torch.zeros(1, dtype=torch.int64),
        ),
        (make_loss("MarginRanking", numbers(), linear(1)()), batch(numbers())[0], torch.ones(12, 1)),
    ]
    for loss, inputs, targets in cases:
        value = loss(loss.forward(inputs), targets)
        value.backward()
        assert float(value.detach()) == 0
        assert all(bool((parameter.grad == 0).all()) for parameter in loss.network.parameters())
    assert cases[0][0].weight(cases[0][2]) == 0


def test_metrics_get_probabilities_of_labels_means_of_distributions_and_logits_of_classes() -> None:
    inputs, _ = batch(classes())
    for source, name, module, expected in (
        (labels(), "BCEWithLogits", linear()(), lambda o: o.sigmoid()),
        (labels(), "BCE", linear(end=nn.Sigmoid())(), lambda o: o),
        (labels(), "MSE", linear()(), lambda o: o.clamp(0, 1)),
        (numbers(targets=2), "GaussianNLL", linear(4)(), lambda o: o[:, :2]),
        (counts(), "PoissonNLL", linear(1)(), lambda o: o.exp()),
        (shares(), "KLDiv", soft()(), lambda o: o),
        (numbers(), "MSE", linear(1)(), lambda o: o),
        (classes(), "CrossEntropy", linear()(), lambda o: o),
    ):
        loss = make_loss(name, source, module)
        torch.testing.assert_close(loss.predictions(loss.forward(inputs)), expected(module(inputs)))
    assert make_loss("TripletMargin", classes(), linear(2)()).task == "embedding"


def test_a_function_is_a_loss_and_its_name_is_kept() -> None:
    def squared(outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs - targets) ** 2).mean()

    source, module = numbers(), linear(1)()
    inputs, targets = batch(source)
    loss = make_loss(squared, source, module)
    torch.testing.assert_close(loss(loss.forward(inputs), targets), F.mse_loss(module(inputs), targets))
    setting = json.loads(json.dumps(loss.to_setting()))
    assert "squared" in setting["function"]
    with pytest.raises(SpecError, match=r"used the function .*squared.* Give it again: train\(loss="):
        make_loss(setting, source, module)
    assert make_loss(nn.MSELoss(), source, module).name == "callable"


class Noisy(nn.Module):
    """A module that learns without targets."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def training_loss(self, x: Tensor) -> Tensor:
        return F.mse_loss(self.linear(x + torch.randn_like(x)), x)


def test_a_network_with_its_own_loss_uses_it() -> None:
    from toolkit.builder.network import Network

    source, module = numbers(), Network(Noisy())
    before = torch.random.get_rng_state()
    loss = make_loss(default_loss("regression"), source, module)
    assert torch.equal(torch.random.get_rng_state(), before)
    inputs, targets = batch(source)
    outputs = loss.forward(inputs)
    assert loss(outputs, targets) is outputs and outputs.requires_grad
    assert loss.predictions(outputs) is None
    assert make_loss(loss.to_setting(), source, module).name == "own"
    with pytest.raises(SpecError, match="the network has its own"):
        make_loss("L1", source, module)
    with pytest.raises(SpecError, match="this one has none"):
        make_loss("own", source, linear(1)())


def test_trying_out_leaves_network_and_random_state_as_they_were() -> None:
    torch.manual_seed(5)
    module = torch.nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    module[1].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.random.get_rng_state()
    make_loss("CrossEntropy", classes(), module)
    assert [part.training for part in module.modules()] == [True, True, False, True]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_it_is_computed_in_32_bits_in_mixed_precision_and_in_64_where_the_network_is() -> None:
    for name, source, module in (("BCE", classes(), soft()()), ("CTC", transcripts(), linear()())):
        loss = make_loss(name, source, module)
        inputs, targets = batch(source)
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(loss.forward(inputs), targets)
        assert value.dtype == torch.float32 and torch.isfinite(value)
    loss = make_loss("CrossEntropy", classes(), linear()(), class_weights=torch.tensor([1.0, 2, 3]))
    assert loss(torch.zeros(3, 3, dtype=torch.float64), torch.arange(3)).dtype == torch.float64

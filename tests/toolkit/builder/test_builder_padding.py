"""A sequence in a padded batch is answered as it is alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from model_zoo.masking import Padding, find_padding
from toolkit.builder.layer_spec import LayerSpec
from toolkit.builder.spec import NetworkSpec, build

F, LONGEST = 4, 16
CHANNELS_FIRST = ("permute", {"dims": (0, 2, 1)})

# layers behind (N, F, L); all of them keep the steps, or leave some
WINDOWS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "conv": [("conv1d", {"size": (F, 3), "kernel_size": 3})],
    "conv same": [("conv1d", {"size": (F, 3), "kernel_size": 4, "padding": "same", "dilation": 2})],
    "conv stride": [("conv1d", {"size": (F, 3), "kernel_size": 3, "stride": 2, "padding": 1})],
    "conv replicate": [("conv1d", {"size": (F, 3), "kernel_size": 5, "padding": 2, "padding_mode": "replicate"})],
    "conv reflect": [("conv1d", {"size": (F, 3), "kernel_size": 5, "padding": 2, "padding_mode": "reflect"})],
    "conv circular": [("conv1d", {"size": (F, 3), "kernel_size": 5, "padding": 2, "padding_mode": "circular"})],
    "transposed": [("conv_transpose1d", {"size": (F, 3), "kernel_size": 3, "stride": 2, "output_padding": 1})],
    "maxpool": [("maxpool1d", {"kernel_size": 3, "stride": 2, "padding": 1})],
    "maxpool up": [("maxpool1d", {"kernel_size": 3, "stride": 2, "ceil_mode": True})],
    "maxpool dilated": [("maxpool1d", {"kernel_size": 2, "stride": 1, "dilation": 2})],
    "avgpool": [("avgpool1d", {"kernel_size": 3, "stride": 2, "padding": 1})],
    "avgpool up": [("avgpool1d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True})],
    "avgpool of values": [
        ("avgpool1d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False})
    ],
    "zero pad": [("zero_pad", {"padding": (2, 1)}), ("conv1d", {"size": (F, 3), "kernel_size": 3})],
    "constant pad": [("constant_pad", {"padding": (2, 3), "value": 1.5}), ("maxpool1d", {"kernel_size": 2})],
    "reflection pad": [("reflection_pad", {"padding": (2, 3)})],
    "replication pad": [("replication_pad", {"padding": (1, 3)})],
    "upsample": [("upsample", {"scale_factor": 2}), ("conv1d", {"size": (F, 3), "kernel_size": 3, "padding": 1})],
    "upsample linear": [("upsample", {"scale_factor": 2.5, "mode": "linear"})],
    "batchnorm": [("batchnorm1d", {})],
    "instancenorm": [("instancenorm1d", {"affine": True})],
    "groupnorm": [("groupnorm", {"num_groups": 2})],
    "local response norm": [("local_response_norm", {"size": 3})],
    "softmax over steps": [("activation", {"name": "softmax", "dim": 2})],
    "picture": [
        ("unsqueeze", {"dim": 1}),
        ("conv2d", {"size": (1, 3), "kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1)}),
        ("batchnorm2d", {}),
        ("avgpool", {"kernel_size": 2, "padding": 1, "count_include_pad": False}),
        ("permute", {"dims": (0, 3, 1, 2)}),
        ("flatten", {"start_dim": 2}),
        CHANNELS_FIRST,
    ],
}
RECURRENT = ("lstm", "gru", "rnn", "lstm_cell", "gru_cell", "rnn_cell")
# ends that make one vector of (N, C, L)
ENDS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "mean": [("global_avgpool", {})],
    "maximum": [("global_maxpool", {})],
    "parts": [("adaptive_avgpool1d", {"output_size": 3})],
    "greatest parts": [("adaptive_maxpool1d", {"output_size": 2})],
    "last step": [CHANNELS_FIRST, ("unsqueeze", {})],
    "last state": [CHANNELS_FIRST, ("lstm", {"size": 5, "last_step": True, "bidirectional": True})],
    "steps": [CHANNELS_FIRST, ("linear", {"size": 2, "flatten": False})],
}


def parsed(layers: list[tuple[str, dict[str, Any]]]) -> tuple[LayerSpec, ...]:
    return tuple(
        LayerSpec.parse(None, {}, options, place)
        if name == "activation"
        else LayerSpec.parse(name, options, None, place)
        for place, (name, options) in enumerate(layers, start=1)
    )


def network(layers: list[tuple[str, dict[str, Any]]], shape: tuple[int, ...] = (LONGEST, F), **more: Any) -> Any:
    torch.manual_seed(0)
    made = build(NetworkSpec(shape, parsed(layers), padding="nan", **more))
    for module in made.modules():  # statistics of their own, as after a training
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return made.eval()


def sequences(seed: int, shortest: int = 5, longest: int = LONGEST, count: int = 5) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (count,), generator=random).tolist()
    return [torch.randn(length, F, generator=random) + 1 for length in lengths]


def padded(rows: list[torch.Tensor], length: int = LONGEST) -> torch.Tensor:
    batch = torch.full((len(rows), length, F), torch.nan)
    for index, row in enumerate(rows):
        batch[index, : len(row)] = row
    return batch


def assert_as_alone(made: Any, rows: list[torch.Tensor]) -> None:
    with torch.no_grad():
        together = made(padded(rows))
        for index, row in enumerate(rows):
            alone = made(row[None])[0]
            found = together[index]
            if found.ndim > 1 and found.shape != alone.shape:
                axis = next(
                    axis for axis, (one, other) in enumerate(zip(found.shape, alone.shape, strict=True)) if one != other
                )
                rest = found.narrow(axis, alone.shape[axis], found.shape[axis] - alone.shape[axis])
                assert not rest.any(), "padding comes out as zeros"
                found = found.narrow(axis, 0, alone.shape[axis])
            torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("window", WINDOWS)
def test_windows_norms_and_pools(window: str, end: str) -> None:
    made = network([CHANNELS_FIRST, *WINDOWS[window], *ENDS[end]])
    for seed in range(3):
        assert_as_alone(made, sequences(seed))


@pytest.mark.parametrize("seed", range(12))
def test_windows_one_after_the_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    names = random.choice([name for name in WINDOWS if name not in ("picture",)], 3, replace=False)
    layers = [
        (name, {**options, "size": 4} if "conv" in name else options)
        for each in names
        for name, options in WINDOWS[each]
    ]
    end = ENDS[str(random.choice(list(ENDS)))]
    made = network([CHANNELS_FIRST, *layers, *end], shape=(64, F))
    rows = sequences(seed, shortest=40, longest=64)
    with torch.no_grad():
        together = made(padded(rows, 64))
        for index, row in enumerate(rows):
            alone = made(row[None])[0]
            torch.testing.assert_close(together[index][: len(alone)], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers(kind: str, last: bool, both: bool) -> None:
    several = {} if "cell" in kind else {"num_layers": 2}
    layers: list[tuple[str, dict[str, Any]]] = [
        (kind, {"size": (F, 3), "bidirectional": both, **several}),
        ("layernorm", {}),
        (kind, {"size": 5, "bidirectional": both, "last_step": last, **several}),
        ("linear", {"size": 3, "flatten": False}),
    ]
    assert_as_alone(network(layers), sequences(1, shortest=1))


def test_attention_and_its_positions() -> None:
    layers: list[tuple[str, dict[str, Any]]] = [
        ("transformer_encoder", {"num_heads": 2, "num_layers": 2, "positional": "sinusoidal"}),
        ("multihead_attention", {"num_heads": 2}),
        CHANNELS_FIRST,
        ("global_avgpool", {}),
    ]
    assert_as_alone(network(layers), sequences(2, shortest=1))


def test_layer_norm_over_all_steps_takes_the_real_ones() -> None:
    made = network([("layernorm", {"size": (LONGEST, F), "elementwise_affine": False})])
    rows = sequences(3)
    found = made(padded(rows))
    for index, row in enumerate(rows):
        expected = torch.nn.functional.layer_norm(row, row.shape)
        torch.testing.assert_close(found[index, : len(row)], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", ["batchnorm1d", "instancenorm1d"])
def test_statistics_of_a_training_are_those_of_the_real_steps(norm: str) -> None:
    options = {} if norm == "batchnorm1d" else {"track_running_stats": True, "affine": True}
    made = network([CHANNELS_FIRST, (norm, options), CHANNELS_FIRST]).train()
    rows = sequences(4)
    ours, plain = made[1], type(made[1])(F, **options).train()
    plain.load_state_dict(ours.state_dict())
    found = made(padded(rows))
    if norm == "batchnorm1d":
        expected = plain(torch.cat(rows).T[None])[0].T
        torch.testing.assert_close(torch.cat([found[i, : len(row)] for i, row in enumerate(rows)]), expected)
        torch.testing.assert_close(ours.running_var, plain.running_var)
        torch.testing.assert_close(ours.running_mean, plain.running_mean)
    else:
        for index, row in enumerate(rows):
            torch.testing.assert_close(found[index, : len(row)], plain(row.T[None])[0].T)
    assert ours.num_batches_tracked == 1


def test_steps_as_channels_of_a_batch_norm_count_the_rows_that_reach_them() -> None:
    made = network([("batchnorm1d", {"momentum": None})]).train()
    made[0].reset_running_stats()
    rows = sequences(5)
    made(padded(rows))
    for step in range(LONGEST):
        there = [row[step] for row in rows if len(row) > step]
        expected = torch.cat(there).mean() if there else torch.tensor(0.0)
        torch.testing.assert_close(made[0].running_mean[step], expected)


def test_texts_are_read_without_their_padding() -> None:
    layers: list[tuple[str, dict[str, Any]]] = [
        ("embedding", {"size": (9, F)}),
        CHANNELS_FIRST,
        ("conv1d", {"size": (F, 3), "kernel_size": 3, "padding": 1}),
        ("global_avgpool", {}),
    ]
    made = build(NetworkSpec((10,), parsed(layers), "int64", padding=0)).eval()
    tokens = torch.tensor([[1, 2, 3, 4, 0, 0, 0], [5, 6, 7, 8, 1, 2, 3]])
    torch.testing.assert_close(made(tokens)[0], made(tokens[:1, :4])[0])
    torch.testing.assert_close(made(tokens)[1], made(tokens[1:])[0])


def test_what_is_not_marked_is_real() -> None:
    made = network([("lstm", {"size": (F, 3), "last_step": True})])
    made.padding = None
    x = torch.zeros(2, 5, F)
    assert find_padding(x, "nan")[1] is None
    torch.testing.assert_close(made(x), made[0](x), rtol=0, atol=0)


def test_a_step_that_is_nan_in_part_is_no_padding() -> None:
    x = torch.zeros(1, 3, 2)
    x[0, 1, 0] = torch.nan
    filled, padding = find_padding(x, "nan")
    assert padding is None
    assert filled.isnan().any()


def test_gradients_do_not_depend_on_the_padding() -> None:
    layers = [CHANNELS_FIRST, *WINDOWS["conv"], *WINDOWS["instancenorm"], *ENDS["last state"]]
    made = network(layers)
    rows = sequences(6, count=2)
    gradients = []
    for batch in (padded(rows), padded(rows, LONGEST + 9)):
        made.zero_grad()
        made(batch).square().sum().backward()
        gradients.append([weight.grad.clone() for weight in made.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_padding_may_lie_along_any_axis() -> None:
    mask = torch.tensor([[True, True, False]])
    assert Padding(mask, 2).over(torch.zeros(1, 4, 3, 2)).shape == (1, 1, 3, 1)
    assert Padding(mask).lengths.tolist() == [2]

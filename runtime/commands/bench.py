"""`toolkit bench`: latency and throughput at several batch sizes, as a table or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runtime.commands.opening import open_model
from runtime.commands.options import device_option, json_option, require_device_option
from runtime.commands.printable import print_error, print_json, print_lines, print_text
from runtime.errors import InputError, ToolkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.session.bench import Timing

__all__ = ["bench"]


@click.command()
@click.argument("model", type=click.Path())
@click.option("--batch", "batches", default="1,8,32", help="Comma-separated batch sizes.")
@click.option("--seconds", type=float, default=1.0, help="How long to measure at each batch size.")
@click.option(
    "--threads", type=int, default=None, help="Threads inside one operator.  [default: as many as it may use]"
)
@click.option(
    "--length",
    "lengths",
    multiple=True,
    metavar="AXIS=N",
    help="Length of an axis that the file leaves free, such as length=100; several times.  [default: the card's]",
)
@json_option
@device_option
@require_device_option
def bench(
    model: str,
    batches: str,
    seconds: float,
    threads: int | None,
    lengths: tuple[str, ...],
    as_json: bool,
    device: str,
    require_device: bool,
) -> None:
    """Measure latency, throughput and memory on random inputs."""
    from runtime.session.bench import measurements

    try:
        sizes = [int(part) for part in batches.split(",")]
    except ValueError as error:
        raise InputError(f"--batch {batches} was given; whole numbers separated by commas are expected.") from error
    opened = open_model(model, device, require_device, threads)
    timings: list[Timing] = []
    failures: list[tuple[int, ToolkitError]] = []
    stopped = False
    try:
        for size, found in measurements(opened.session, sizes, seconds=seconds, lengths=_lengths(lengths)):
            failures.append((size, found)) if isinstance(found, ToolkitError) else timings.append(found)
    except KeyboardInterrupt:
        stopped = True
    if not timings and failures:
        raise failures[0][1]
    if as_json:
        facts = {
            "model": model,
            "device": opened.device.name,
            "timings": [timing.to_dict() for timing in timings],
            "failures": [{"batch_size": size, "error": str(why)} for size, why in failures],
        }
        print_json(facts)
    elif timings:
        print_text(_timing_table(timings))
        print_lines(opened.device.explain())
    if failures:
        print_error(f"Error: {len(failures)} of {len(timings) + len(failures)} batch sizes could not be measured:")
        for size, why in failures:
            print_error(f"  {size}: {why}")
    if stopped:
        raise KeyboardInterrupt
    if failures:
        raise click.exceptions.Exit(2)


def _timing_table(timings: Sequence[Timing]) -> str:
    from runtime.console import bytes_text, seconds_text, table

    rows = [
        (
            t.batch_size,
            t.runs,
            seconds_text(t.median),
            seconds_text(t.p95),
            seconds_text(t.p99),
            f"{t.rows_per_second:,.0f}",
            "not told" if t.peak_memory is None else bytes_text(t.peak_memory),
        )
        for t in timings
    ]
    return table(("batch", "runs", "median", "p95", "p99", "rows a second", "peak memory"), rows, right=range(7))


def _lengths(given: tuple[str, ...]) -> dict[str, int]:
    """("length=100", ...) -> {"length": 100}."""
    found = {}
    for entry in given:
        name, _, length = entry.rpartition("=")
        if not name or not length.isdecimal():
            raise InputError(
                f"--length {entry} was given; an axis and a whole number, such as length=100, are expected."
            )
        found[name] = int(length)
    return found

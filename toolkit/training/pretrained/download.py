"""HTTP download of a file, complete and verified, or an error."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from runtime.atomic import atomic_path
from runtime.errors import InputError

__all__ = ["check_digits", "digits_in_name", "download"]

TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 18


def download(url: str, target: str | os.PathLike[str], *, progress: bool = True) -> None:
    """Fetch `url` to `target`. On any error no partial file is left.

    A name such as ``resnet18-f37072fd.pth`` ends in the first digits of the file's SHA-256 (torch.hub's convention); the
    file is checked against them, and against the length that the server announces.

    Args:
        url: http or https.
        target: the file to write; missing folders are made.
        progress: a bar with the time left, where the output is a terminal.

    Raises:
        InputError: the server cannot be reached, refuses, stops half-way or sends something else; or the target cannot be
            written. Says where to put the file by hand.
    """
    if not re.match(r"https?://[^/\s]+/\S+$", url):
        raise InputError(
            f"{url!r} was given to download from; an address that begins with https:// and ends in a file's name is expected."
        )
    by_hand = f"Without a network, fetch {url} elsewhere and put it at {target}."
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "onnx-edge-toolkit"})  # noqa: S310 - checked above
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer,  # noqa: S310
            atomic_path(target) as temporary,
        ):
            _receive(answer, temporary, Path(target).name, progress)
            check_digits(temporary, digits_in_name(url), url, "Try again; if it stays, the server has another file.")
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(
            f"{url} could not be downloaded: the server answered {error.code} {error.reason}. Check the address. {by_hand}"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"{url} could not be downloaded: {_words(reason)}. {by_hand}") from error


def digits_in_name(name: str) -> str | None:
    """'https://host/resnet18-f37072fd.pth' -> 'f37072fd'; None where the name has no such digits."""
    found = re.search(r"-([0-9a-f]{8,64})\.", Path(urllib.parse.urlsplit(name).path).name)
    return found[1] if found else None


def check_digits(path: Path, digits: str | None, what: str, remedy: str) -> None:
    """Compare the file's SHA-256 with its first digits. Raises InputError where they differ; None checks nothing."""
    if digits is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digits):
        raise InputError(
            f"{what} is not the file that its name says: its SHA-256 begins with {found[: len(digits)]}, and {digits} is "
            f"expected. {remedy}"
        )


def _receive(answer: http.client.HTTPResponse, path: Path, name: str, progress: bool) -> None:
    announced = answer.headers.get("Content-Length")
    total = int(announced) if announced and announced.isdecimal() else None
    received = 0
    with path.open("wb") as file, _bar(name, total, progress) as advance:
        while chunk := answer.read(_CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            advance(len(chunk))
    if total is not None and received != total:
        raise ConnectionError(f"the connection ended after {received} of {total} bytes")


@contextlib.contextmanager
def _bar(name: str, total: int | None, wanted: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances the bar by so many bytes; silent when the output is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield lambda _count: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)


def _words(reason: object) -> str:
    """An exception's text on one line, without the operating system's error number."""
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return " ".join(str(reason).split()).rstrip(".") or type(reason).__name__

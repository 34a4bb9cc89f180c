"""Downloads against a real server on the loopback: whole files only, and clear words for all that goes wrong."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runtime.errors import InputError
from toolkit.training.pretrained import download as module
from toolkit.training.pretrained.download import digits_in_name, download

CONTENT = bytes(range(256)) * 3000
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name.startswith("gone"):
            self.send_error(404)
            return
        if name.startswith("moved"):
            self.send_response(302)
            self.send_header("Location", f"/good-{DIGITS}.pth")
            self.end_headers()
            return
        if name.startswith("garbage"):
            self.wfile.write(b"\x00\x01 nothing of HTTP\r\n\r\n")
            return
        self.send_response(200)
        if not name.startswith("unannounced"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if name.startswith("silent"):
            self.wfile.write(CONTENT[:10])
            self.server.finished.wait(5)  # type: ignore[attr-defined]
            return
        self.wfile.write(CONTENT[: len(CONTENT) // 2 if name.startswith(("cut", "unannounced-cut")) else None])

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.finished = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.finished.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", [f"good-{DIGITS}.pth", "good.pth", f"moved-{DIGITS}.pth", f"unannounced-{DIGITS}.pth"])
def test_a_whole_file_arrives(address: str, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    download(f"{address}/folder/{name}", tmp_path / "new folder" / name)
    assert [path.name for path in tmp_path.rglob("*.*")] == [name]
    assert (tmp_path / "new folder" / name).read_bytes() == CONTENT
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("gone.pth", "the server answered 404 Not Found"),
        ("cut.pth", f"ended after {len(CONTENT) // 2} of {len(CONTENT)} bytes"),
        (f"unannounced-cut-{DIGITS}.pth", f"SHA-256 begins with [0-9a-f]*, and {DIGITS} is expected"),
        ("good-00000000.pth", f"SHA-256 begins with {DIGITS}, and 00000000 is expected"),
        ("garbage.pth", "could not be downloaded"),
    ],
)
def test_whatever_goes_wrong_leaves_no_file(address: str, name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"before")
    with pytest.raises(InputError, match=what) as caught:
        download(f"{address}/{name}", tmp_path / name)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"before"


def test_a_server_that_falls_silent(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"timed out.*put it at"):
        download(f"{address}/silent.pth", tmp_path / "silent.pth")
    assert list(tmp_path.iterdir()) == []


def test_no_server_says_where_to_put_the_file_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError) as caught:
        download(f"http://127.0.0.1:{port}/a.pth", tmp_path / "a.pth")
    assert str(caught.value) == (
        f"http://127.0.0.1:{port}/a.pth could not be downloaded: Connection refused. Without a network, fetch "
        f"http://127.0.0.1:{port}/a.pth elsewhere and put it at {tmp_path / 'a.pth'}."
    )


def test_a_host_that_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError, match=r"http://no-such-host\.invalid/a\.pth could not be downloaded: "):
        download("http://no-such-host.invalid/a.pth", tmp_path / "a.pth")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/a", "a.pth", "", "http://", "http://[/a", "https://host"]
)
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        download(url, tmp_path / "a.pth")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_no_file(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> Callable[[], None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "check_digits", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(f"{address}/good.pth", tmp_path / "good.pth")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("https://host/resnet18-f37072fd.pth", "f37072fd"),
        ("https://host/mnasnet0.5_top1_67.823-3ffadce67e.pth?a=b-12345678.x", "3ffadce67e"),
        ("resnet18.pth", None),
        ("https://host-12345678.org/weights.pth", None),
        ("v2-large.pth", None),
    ],
)
def test_the_digits_in_a_name(name: str, digits: str | None) -> None:
    assert digits_in_name(name) == digits

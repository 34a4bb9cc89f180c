"""Picture files: which are opened, in which formats, and how much memory large ones take."""

from __future__ import annotations

import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import runtime
from runtime.card import ImageInput
from runtime.errors import InputError, ToolkitError
from runtime.preprocess import convert_image, decode, open_image, prepare_image, read_arrays, read_lines, read_table
from runtime.preprocess.conversion import convert, convert_resized
from runtime.preprocess.picture_file import FORMATS
from runtime.preprocess.pixel_budget import LARGE, PixelBudget
from runtime.preprocess.sources import images_in

CARD = ImageInput(name="input", size=(8, 8), color="RGB", resize=(8, 8))
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (pipe, "is a pipe"),
        (bound_socket, "is a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        (lambda path: path.symlink_to(path), "cannot be opened (Too many levels"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to(path.parent / "gone.png"), "does not exist"),
    ],
)
def test_only_regular_files_are_opened(make: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    make(path)  # type: ignore[operator]
    for call in (open_image, convert_image, lambda picture: prepare_image(picture, CARD)):
        with pytest.raises(InputError) as error:
            call(path)
        assert words in str(error.value)


def test_a_link_to_a_picture_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "real.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    assert prepare_image(tmp_path / "link.png", CARD)[0].min() == prepare_image(tmp_path / "real.png", CARD)[0].min()


@pytest.mark.parametrize("name", ["eps.jpg", "eps.png", "eps.eps"])
def test_no_picture_starts_a_program(name: str, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gs").write_text(f'#!/bin/sh\ntouch "{tmp_path}/started"\n[ "$1" = --version ] && echo 10.0\n')
    (programs / "gs").chmod(0o755)
    (tmp_path / name).write_bytes(EPS)
    code = (
        "from runtime.preprocess import open_image\n"
        "from PIL import Image; Image.init()\n"  # every plugin is loaded, as another package may do
        f"open_image({str(tmp_path / name)!r})"
    )
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert "in no picture format that is read here" in result.stderr
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "head",
    [
        EPS,
        b"FLIF",
        b"WMF\xd7\xcd\xc6\x9a",
        b"\xd7\xcd\xc6\x9a\0\0" + bytes(40),
        b"SIMPLE  =  T" + bytes(80),
        b"GRIB" + bytes(40),
    ],
)
def test_formats_that_are_not_listed(head: bytes) -> None:
    with pytest.raises(InputError, match="PNG, JPEG"):
        open_image(head)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "TGA", "ICO"])
def test_formats_that_are_listed(name: str) -> None:
    Image.init()
    if name not in Image.SAVE:
        pytest.skip(f"this Pillow has no {name}")
    assert name in FORMATS
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(file, format=name)
    assert convert_image(file.getvalue()).size == (32, 32)


def picture(mode: str, width: int, height: int) -> Image.Image:
    noise = random.Random(0).randbytes(width * height * 4)
    image = Image.frombytes("RGBA", (width, height), noise)
    if mode == "I;16":
        return Image.frombytes("I;16", (width, height), noise[: 2 * width * height])
    if mode in ("P", "transparent P"):
        image = image.convert("RGB").quantize(32)
        if mode == "transparent P":
            image.info["transparency"] = 3
        return image
    return image if mode == "RGBA" else image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "transparent P", "CMYK", "YCbCr", "1", "L", "RGB", "I;16"])
@pytest.mark.parametrize("color", ["RGB", "grey"])
def test_strips_change_no_pixel(mode: str, color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(mode, 97, 61)
    sizes = [(13, 17), (97, 20), (20, 61), (97, 61), (200, 150), (1, 1)]
    whole = convert(image, color)
    resized = [[convert_resized(image, color, size, way) for size in sizes] for way in Image.Resampling]
    monkeypatch.setattr("runtime.preprocess.conversion.LARGE", 10)
    monkeypatch.setattr("runtime.preprocess.conversion._STRIP", 97 * 7)
    assert convert(image, color).tobytes() == whole.tobytes()
    for way, expected in zip(Image.Resampling, resized, strict=True):
        for size, one in zip(sizes, expected, strict=True):
            assert one.tobytes() == (whole.resize(size, way) if size != whole.size else whole).tobytes()
            assert convert_resized(image, color, size, way).tobytes() == one.tobytes(), (way, size)


def test_large_pictures_wait_for_one_another_and_small_ones_do_not() -> None:
    budget = PixelBudget(4 * LARGE)
    at_once, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with budget.taken(2 * LARGE):
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.02)
            with lock:
                at_once -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    with budget.taken(100 * LARGE), budget.taken(LARGE):  # more than there is, alone; and a small one beside it
        pass
    with pytest.raises(ValueError, match="failed"), budget.taken(3 * LARGE):
        raise ValueError("failed")
    with budget.taken(3 * LARGE):  # what failed gave its pixels back
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is measured as Linux tells it")
def test_a_large_transparent_picture_is_not_composited_whole(tmp_path: Path) -> None:
    width = 5000
    Image.new("RGBA", (width, width), (10, 20, 30, 40)).save(tmp_path / "x.png", compress_level=1)
    code = (
        "import resource\n"
        "from runtime.card import ImageInput\nfrom runtime.preprocess import prepare_image\n"
        "card = ImageInput(name='input', size=(8, 8), color='RGB', resize=(8, 8))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"prepare_image({str(tmp_path / 'x.png')!r}, card)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    kilobytes = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert kilobytes * 1024 < 1.5 * 4 * width**2


def test_pixels_of_a_transparent_picture_are_as_ever() -> None:
    image = picture("RGBA", 64, 64)
    page = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    expected = np.asarray(page.resize((8, 8), Image.Resampling[CARD.filter.upper()])).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(image, CARD), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_no_reader_waits_for_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "x"
    os.mkfifo(path)
    for read in (read_table, read_lines, read_arrays, runtime.load):
        with pytest.raises(ToolkitError, match="is a pipe"):
            read(path)
    (tmp_path / "x.png").symlink_to(path)
    assert images_in(tmp_path) == [tmp_path / "x.png"]  # and is refused when its turn comes, among the others

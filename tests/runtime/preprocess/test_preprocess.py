"""Pictures and tables become the arrays that the card describes."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, features

from runtime.card import ImageInput, TableInput
from runtime.errors import InputError
from runtime.preprocess import decode, normalize, open_image, prepare_image, prepare_table, read_table, table_rows

RGB = ImageInput("x", "RGB", (8, 8), resize=(8, 8))
GREY = ImageInput("x", "grayscale", (8, 8), resize=(8, 8))
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)

pictures = st.tuples(st.integers(5, 24), st.integers(5, 24)).flatmap(
    lambda size: arrays.arrays(np.uint8, (*size, 3)) | arrays.arrays(np.uint8, size)
)
layouts = st.sampled_from(["NCHW", "NHWC"])


def encoded(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels_of(picture: Any, **changes: Any) -> np.ndarray:
    """The RGB pixels (H, W, 3) that the card's first steps give, at the picture's own size."""
    size = open_image(picture).size[::-1]
    if changes.pop("turned", False):
        size = size[::-1]
    return decode(picture, ImageInput("x", "RGB", size, layout="NHWC", **changes))


# ---- the same picture, however it is given ----------------------------------------------------------------------------


@given(pictures, st.sampled_from(["RGB", "grayscale"]), layouts, st.sampled_from([(8, 8), (5, 9)]))
@settings(deadline=None, max_examples=40)
def test_a_file_its_bytes_a_pillow_image_and_an_array_give_identical_inputs(
    tmp_path_factory: pytest.TempPathFactory, picture: np.ndarray, color: str, layout: str, size: tuple[int, int]
) -> None:
    file = tmp_path_factory.getbasetemp() / "same.png"
    file.write_bytes(encoded(picture))
    card = ImageInput("x", color, size, resize=size, layout=layout, mean=(0.4,) * (3 if color == "RGB" else 1))
    forms = [file, str(file), file.read_bytes(), Image.fromarray(picture), picture, np.asfortranarray(picture)]
    forms.append(picture.transpose(2, 0, 1) if picture.ndim == 3 else picture[None])  # channels first
    forms.append(picture if picture.ndim == 3 else picture[:, :, None])
    expected = prepare_image(picture, card)
    assert expected.shape == card.shape
    assert expected.dtype == np.float32
    assert expected.flags.c_contiguous
    for form in forms:
        np.testing.assert_array_equal(prepare_image(form, card), expected)


@given(pictures)
@settings(deadline=None, max_examples=25)
def test_the_two_layouts_hold_the_same_numbers(picture: np.ndarray) -> None:
    first = prepare_image(picture, RGB)
    last = prepare_image(picture, ImageInput("x", "RGB", (8, 8), resize=(8, 8), layout="NHWC"))
    np.testing.assert_array_equal(first, last.transpose(2, 0, 1))


def test_a_picture_is_not_changed_by_being_prepared() -> None:
    array, image = PIXELS.copy(), Image.fromarray(PIXELS).convert("RGBA")
    prepare_image(array, GREY)
    prepare_image(image, GREY)
    np.testing.assert_array_equal(array, PIXELS)
    assert image.mode == "RGBA"


# ---- normalisation ----------------------------------------------------------------------------------------------------

channel = st.tuples(st.floats(-2.0, 2.0), st.floats(0.05, 3.0))


@given(
    arrays.arrays(np.uint8, (3, 4, 5)), st.tuples(channel, channel, channel), st.sampled_from([1.0, 1 / 255, 2 / 255])
)
@settings(deadline=None)
def test_normalisation_is_scale_mean_and_std_to_the_last_digits_of_float32(
    pixels: np.ndarray, channels: tuple[tuple[float, float], ...], scale: float
) -> None:
    mean, std = (tuple(part) for part in zip(*channels, strict=True))
    card = ImageInput("x", "RGB", (4, 5), scale=scale, mean=mean, std=std)
    column = (3, 1, 1)
    exact = (pixels * scale - np.reshape(mean, column)) / np.reshape(std, column)
    # float32 keeps seven digits of the largest number that takes part
    largest = np.maximum(1.0, (255 * scale + np.abs(mean).reshape(column)) / np.reshape(std, column))
    assert np.max(np.abs(normalize(pixels, card) - exact) / largest) <= 5e-7
    last = ImageInput("x", "RGB", (4, 5), scale=scale, mean=mean, std=std, layout="NHWC")
    np.testing.assert_array_equal(
        normalize(pixels.transpose(1, 2, 0), last), normalize(pixels, card).transpose(1, 2, 0)
    )


def test_pixels_scaled_to_one_are_within_5e_7_of_the_exact_quotient() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    found = normalize(pixels, ImageInput("x", "grayscale", (16, 16)))
    assert np.max(np.abs(found - pixels / 255)) <= 5e-7
    assert (found[0, 0, 0], found[0, -1, -1]) == (0.0, 1.0)


# ---- orientation ------------------------------------------------------------------------------------------------------

# What a viewer does for each value of the EXIF orientation, on (H, W, C).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_photo_is_turned_upright_by_its_exif_tag_unless_the_card_says_stored(orientation: int) -> None:
    stored = PIXELS[:6]
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = encoded(stored, exif=exif)
    turned = orientation >= 5
    np.testing.assert_array_equal(pixels_of(photo, turned=turned), UPRIGHT[orientation](stored))
    np.testing.assert_array_equal(pixels_of(photo, orientation="stored"), stored)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_photo_whose_exif_block_is_damaged_is_read_as_it_is_stored(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    photo = encoded(PIXELS, kind, exif=b"Exif\0\0no exif at all", **options)
    np.testing.assert_array_equal(pixels_of(photo), pixels_of(encoded(PIXELS, kind, **options)))


# ---- colour -----------------------------------------------------------------------------------------------------------

GREY_16 = np.array([[0, 1, 128, 129, 256, 32767, 40000, 65535]], np.uint16)


def pgm16() -> bytes:
    return b"P5 8 1 65535\n" + GREY_16.astype(">u2").tobytes()


@pytest.mark.parametrize("kind", ["png", "tiff", "pgm", "pillow"])
def test_sixteen_bit_grey_is_divided_not_clipped(kind: str) -> None:
    picture = {
        "png": lambda: encoded(GREY_16),
        "tiff": lambda: encoded(GREY_16, "TIFF"),
        "pgm": pgm16,
        "pillow": lambda: Image.fromarray(GREY_16),
    }[kind]()
    expected = np.round(GREY_16 * (255 / 65535)).astype(np.uint8)
    found = decode(picture, ImageInput("x", "grayscale", (1, 8), layout="NHWC"))
    np.testing.assert_array_equal(found[:, :, 0], expected)
    np.testing.assert_array_equal(pixels_of(picture), np.repeat(expected[:, :, None], 3, axis=2))


@given(arrays.arrays(np.uint8, (6, 7, 4)))
@settings(deadline=None, max_examples=40)
def test_transparency_is_laid_over_white(pixels: np.ndarray) -> None:
    alpha = pixels[:, :, 3:] / 255
    expected = pixels[:, :, :3] * alpha + 255 * (1 - alpha)
    for form in (pixels, encoded(pixels)):
        assert np.max(np.abs(pixels_of(form) - expected)) <= 1.0


def test_grey_with_alpha_and_a_transparent_colour_are_laid_over_white_too() -> None:
    grey = np.array([[0, 100, 200]], np.uint8)
    with_alpha = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(np.array([[0, 255, 255]], np.uint8))))
    for form in (encoded(with_alpha), encoded(grey, transparency=0)):
        assert pixels_of(form)[0, :, 0].tolist() == [255, 100, 200]
        found = decode(form, ImageInput("x", "grayscale", (1, 3)))
        assert found[0, 0].tolist() == [255, 100, 200]
    colours = np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8)
    assert pixels_of(encoded(colours, transparency=(0, 0, 0)))[0].tolist() == [[255, 0, 0], [255, 255, 255]]


def test_a_palette_is_looked_up_and_its_transparent_entry_becomes_white() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert image.mode == "P"
    assert pixels_of(encoded(image))[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    shown = [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    assert pixels_of(encoded(image, transparency=1))[0].tolist() == shown
    assert pixels_of(encoded(image, transparency=b"\xff\x00\xff"))[0].tolist() == shown
    assert pixels_of(encoded(image, "GIF", transparency=1))[0].tolist() == shown


@given(arrays.arrays(np.uint8, (3, 4, 4)))
@settings(deadline=None, max_examples=25)
def test_cmyk_is_converted_as_ink_on_paper(ink: np.ndarray) -> None:
    image = Image.merge("CMYK", [Image.fromarray(ink[:, :, band]) for band in range(4)])
    expected = (255.0 - ink[:, :, :3]) * (255.0 - ink[:, :, 3:]) / 255.0
    assert np.max(np.abs(pixels_of(image) - expected)) <= 1.0
    assert prepare_image(image, GREY).shape == (1, 8, 8)


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBa",
        "RGBX",
        "CMYK",
        "YCbCr",
        "LAB",
        "HSV",
        "I",
        "F",
        "I;16",
        "I;16B",
    ],
)
@pytest.mark.parametrize("card", [RGB, GREY], ids=["RGB", "grayscale"])
def test_any_mode_that_pillow_knows_is_converted_or_refused(mode: str, card: ImageInput) -> None:
    image = Image.new(mode, (6, 6))
    if mode in ("I", "F", "La") or (mode == "LAB" and card is GREY):
        with pytest.raises(InputError, match=r"32-bit pixels|not supported"):
            prepare_image(image, card)
    else:
        assert prepare_image(image, card).shape == card.shape


# ---- size -------------------------------------------------------------------------------------------------------------

FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


@given(pictures, st.sampled_from(FILTERS), st.integers(4, 20) | st.tuples(st.integers(1, 20), st.integers(1, 20)))
@settings(deadline=None, max_examples=60)
def test_resizing_is_that_of_torchvision(picture: np.ndarray, name: str, resize: int | tuple[int, int]) -> None:
    from torchvision.transforms import InterpolationMode, Resize

    image = Image.fromarray(picture)
    expected = Resize(resize, InterpolationMode(name), max_size=None)(image)
    card = ImageInput("x", "RGB", expected.size[::-1], resize=resize, filter=name, layout="NHWC")
    np.testing.assert_array_equal(decode(picture, card), np.asarray(expected.convert("RGB")))


@given(pictures, st.tuples(st.integers(1, 30), st.integers(1, 30)))
@settings(deadline=None, max_examples=60)
def test_cropping_is_that_of_torchvision_also_where_the_picture_is_smaller(
    picture: np.ndarray, crop: tuple[int, int]
) -> None:
    from torchvision.transforms import CenterCrop

    expected = np.asarray(CenterCrop(crop)(Image.fromarray(picture).convert("RGB")))
    np.testing.assert_array_equal(decode(picture, ImageInput("x", "RGB", crop, crop=crop, layout="NHWC")), expected)


@given(pictures)
@settings(deadline=None, max_examples=25)
def test_the_usual_chain_of_torchvision_gives_the_same_tensor(picture: np.ndarray) -> None:
    from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    chain = Compose([Resize(16), CenterCrop((12, 14)), ToTensor(), Normalize(mean, std)])
    card = ImageInput("x", "RGB", (12, 14), resize=16, crop=(12, 14), mean=mean, std=std)
    expected = chain(Image.fromarray(picture).convert("RGB")).numpy()
    np.testing.assert_allclose(prepare_image(picture, card), expected, rtol=0, atol=2e-6)


# ---- what is refused --------------------------------------------------------------------------------------------------


def refused(picture: Any, card: ImageInput = RGB) -> str:
    with pytest.raises(InputError) as caught:
        prepare_image(picture, card)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.png", None, "does not exist. Check the path"),
        ("empty.png", b"", "in no picture format that is read here"),
        ("text.png", b"hello", "in no picture format that is read here"),
        ("cut.png", encoded(PIXELS)[:60], "cannot be read as a picture"),
        ("cut.jpg", encoded(np.tile(PIXELS, (8, 8, 1)), "JPEG")[:-900], "truncated"),
        ("deep.tiff", encoded(np.zeros((4, 4), np.int32), "TIFF"), "32-bit pixels (mode I); 8 or 16 bits"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_reason_given(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    message = refused(tmp_path / name)
    assert message.startswith(str(tmp_path / name))
    assert words in message


def test_a_folder_is_not_a_picture(tmp_path: Path) -> None:
    assert "is a folder; one picture is expected" in refused(tmp_path)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((8, 8), np.float32), "(array * 255).round().astype('uint8')"),
        (np.zeros((8, 8, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros(8, np.uint8), "shape (8,)"),
        (np.zeros((0, 8), np.uint8), "no pixels"),
        (None, "of the type NoneType; a path"),
        (5, "of the type int"),
        (bytearray(b"x"), "of the type bytearray"),
        (["a.png"], "of the type list"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_would_be_one(picture: Any, words: str) -> None:
    assert words in refused(picture)


def test_a_picture_of_another_size_is_refused_when_the_card_does_not_resize() -> None:
    message = refused(PIXELS, ImageInput("x", "RGB", (9, 8)))
    assert "8 x 8 pixels; the model takes 9 x 8" in message
    assert "Resize the picture" in message


def test_a_picture_too_large_for_the_memory_is_refused() -> None:
    small = encoded(np.zeros((1, 1), np.uint8))
    header = small[12:16] + (60_000).to_bytes(4, "big") * 2 + small[24:29]  # the width and height of a PNG file
    bomb = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    assert "too large to decode safely" in refused(bomb)
    line = np.zeros((1, 1_000_000), np.uint8)
    assert "MemoryError" in refused(line, ImageInput("x", "grayscale", (8, 8), resize=2000, crop=(8, 8)))


KINDS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", *(["WEBP"] if features.check("webp") else [])]


@given(st.data(), st.sampled_from(KINDS))
@settings(deadline=None, max_examples=200)
def test_damaged_files_give_a_picture_or_an_input_error(data: st.DataObject, kind: str) -> None:
    whole = bytearray(encoded(PIXELS, kind))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        assert prepare_image(cut, RGB).shape == (3, 8, 8)
    except InputError as error:
        assert str(error).startswith("The picture ")
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_random_bytes_are_an_input_error(content: bytes) -> None:
    assert refused(content).startswith("The picture cannot be read as a picture")


# ---- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,x\n2,y\n",
        b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y",
        b'"a", b\n\n 1 ,"x"\n , \n2,y\n\n',
    ],
    ids=["plain", "from a spreadsheet", "with spaces and empty lines"],
)
def test_a_table_is_its_header_and_its_rows_of_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert read_table(tmp_path / "t.csv") == (["a", "b"], [["1", "x"], ["2", "y"]])


def test_cells_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'name,n\n"a, ""b""\nc",1\n')
    assert read_table(tmp_path / "t.csv") == (["name", "n"], [['a, "b"\nc', "1"]])


@pytest.mark.parametrize(("name", "content"), [("t.tsv", "a, b\tc\n1,5\tx\n"), ("t.csv", "a, b\tc\n1,5\tx\n")])
def test_tabs_separate_in_a_file_named_for_them(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    if name == "t.tsv":
        assert read_table(tmp_path / name) == (["a, b", "c"], [["1,5", "x"]])
    else:  # the header has a comma
        assert read_table(tmp_path / name)[0] == ["a", "b\tc"]


def test_tabs_separate_where_the_header_has_no_comma(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a\tb\n"1\t2"\tx, y\n')
    assert read_table(tmp_path / "t.csv") == (["a", "b"], [["1\t2", "x, y"]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; a header and at least one row are expected"),
        (b"a,b\n1,2\n\n3\n", "line 4: 1 cells; the header has 2 columns"),
        (b'a,b\n"x\ny",2\n3\n', "line 4: 1 cells"),
        (b"a;b\n1;2\n", "not separated by commas"),
        (b"1.5,2.5\n3.5,4.5\n", "has no header"),
        (b"a,b\n\xe9,1\n", "Save it as CSV in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "Save it as CSV in UTF-8"),
        (b'a,b\n"1,2\n', "cannot be read as a CSV table"),
        (b"a,b\n" + b"1" * 200_000 + b",2\n", "cannot be read as a CSV table"),
    ],
)
def test_a_malformed_table_is_refused_with_the_line_or_the_remedy(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.csv")
    assert str(tmp_path / "t.csv") in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["missing.csv", ".", "/proc/self/mem"])
def test_a_table_that_cannot_be_opened_is_an_input_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match=r"does not exist|cannot be read|is a folder"):
        read_table(tmp_path / path)


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_random_bytes_are_a_table_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "random.csv"
    file.write_bytes(content)
    try:
        header, rows = read_table(file)
    except InputError as error:
        assert str(error).startswith(str(file))
    else:
        assert all(len(row) == len(header) for row in rows)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_written_as_text_are_read_back_exactly(values: list[float]) -> None:
    found = table_rows([[repr(value)] for value in values], ["a"], "t.csv")
    np.testing.assert_array_equal(found[:, 0], values)


@pytest.mark.parametrize("cell", ["", "x", "nan", "inf", "1,5"])
def test_a_cell_that_is_no_number_is_named_by_row_and_column(cell: str) -> None:
    with pytest.raises(InputError) as caught:
        table_rows([["1", "2"], ["3", cell]], ["a", "b"], "t.csv")
    assert "t.csv, row 2, column 'b'" in str(caught.value)
    assert "a number is expected" in str(caught.value)


@given(
    arrays.arrays(np.float64, (4, 2), elements=st.floats(-1e6, 1e6)),
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    st.tuples(st.floats(0.01, 1e3), st.floats(0.01, 1e3)),
)
def test_columns_are_scaled_in_float64_and_given_as_float32(
    values: np.ndarray, mean: tuple[float, float], std: tuple[float, float]
) -> None:
    found = prepare_table(values, TableInput("x", ("a", "b"), mean, std))
    np.testing.assert_array_equal(found, ((values - mean) / std).astype(np.float32))
    np.testing.assert_array_equal(prepare_table(values, TableInput("x", ("a", "b"))), values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1.0, 2.0, 3.0]], "shape (1, 3); (N, 2) is expected, with the columns a, b"),
        ([1.0, 2.0], "shape (2,)"),
        ([[1.0, float("nan")]], "nan in row 1, column 'b'"),
        ([[1.0, 2.0], [1e300, 2.0]], "1e+300 in row 2, column 'a'"),
        ([["x", 2.0]], "cannot be read as numbers"),
        ([[1.0], [1.0, 2.0]], "cannot be read as numbers"),
    ],
)
def test_rows_that_do_not_fit_are_refused(values: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare_table(values, TableInput("x", ("a", "b")))
    assert words in str(caught.value)

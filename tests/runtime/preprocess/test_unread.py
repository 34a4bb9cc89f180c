"""What a folder holds beside the pictures that are read is told in one line."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from PIL import Image

from runtime.errors import InputError
from runtime.preprocess import open_image
from runtime.preprocess.picture_file import reads_heif
from runtime.preprocess.sources import find_images, images_in
from runtime.preprocess.unread import UnreadWarning, unread


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_folder_of_nothing_but_pictures_tells_nothing(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/b/2.JFIF", "c.jpg", ".DS_Store", "Thumbs.db", ".git/x.txt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_images([tmp_path])) == 3


def test_files_bare_folders_and_linked_ones_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/2.xcf", "b/3.xcf", "b/c/4.xcf", "LICENSE", "a/away/5.xcf")
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b", target_is_directory=True)
    told = unread(tmp_path, images_in(tmp_path))
    assert told == (
        f"Not read in {tmp_path}: 5 files (4 .xcf, 1 without a suffix); 3 folders without a picture (b, empty, a/away); "
        f"1 linked folder (a/link)."
    )
    with pytest.warns(UnreadWarning, match="5 files"):
        find_images([tmp_path])


def test_a_class_that_is_a_link_itself_is_read_and_not_told(tmp_path: Path) -> None:
    fill(tmp_path / "else", "1.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "else", target_is_directory=True)
    assert unread(tmp_path / "root", [tmp_path / "root" / "cat" / "1.png"]) == ""


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    fill(tmp_path, "1.xcf")
    with pytest.raises(InputError, match=r"holds no picture; .* 1 file \(1 \.xcf\)"):
        find_images([tmp_path])


@pytest.mark.skipif(reads_heif(), reason="pillow-heif is installed")
def test_without_pillow_heif_its_pictures_are_counted_and_the_package_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.heic", "3.HEIF")
    assert "2 files (1 .heic, 1 .heif). HEIC is read with: pip install pillow-heif." in unread(
        tmp_path, images_in(tmp_path)
    )
    with pytest.raises(InputError, match="HEIC where pillow-heif is installed"):
        open_image(tmp_path / "2.heic")


@pytest.mark.skipif(not reads_heif(), reason="pillow-heif is not installed")
def test_with_pillow_heif_its_pictures_are_read(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.from_pillow(Image.new("RGB", (64, 32), "red")).save(tmp_path / "1.heic")
    (found,) = find_images([tmp_path])
    assert open_image(found).size == (64, 32)

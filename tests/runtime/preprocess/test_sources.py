"""Files and folders of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.preprocess.sources import IMAGE_SUFFIXES, find_images, images_in, natural_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["img10.png", "img2.PNG", "b/1.jpeg", "b/c/x.webp", "notes.txt", "png", ".hidden.png", ".trash/y.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_gives_the_pictures_below_it_but_nothing_hidden_in_natural_order(folder: Path) -> None:
    found = [path.relative_to(folder).as_posix() for path in images_in(folder)]
    assert found == ["b/1.jpeg", "b/c/x.webp", "img2.PNG", "img10.png"]


def test_files_stay_in_the_order_given_and_whatever_their_suffix(folder: Path) -> None:
    found = find_images([str(folder / "notes.txt"), folder / "b", folder / "img2.PNG"])
    assert [path.name for path in found] == ["notes.txt", "1.jpeg", "x.webp", "img2.PNG"]
    assert find_images([]) == []


def test_a_path_that_is_not_there_and_a_folder_without_pictures_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"missing.png does not exist. Check the path"):
        find_images([folder / "img2.PNG", folder / "missing.png"])
    (folder / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        find_images([folder / "empty"])
    assert all(suffix in str(caught.value) for suffix in IMAGE_SUFFIXES)


@given(st.lists(st.integers(0, 10**20), min_size=1), st.text("ab/.٣", max_size=5))
def test_numbers_in_names_are_ordered_as_numbers(values: list[int], stem: str) -> None:
    paths = [Path(f"{stem}x{value}.png") for value in values]
    assert sorted(paths, key=natural_key) == [Path(f"{stem}x{value}.png") for value in sorted(values)]


@given(st.lists(st.text(), max_size=6))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert len(sorted(map(Path, names), key=natural_key)) == len(names)

"""Names that a user gives for the classes or columns in the data: which of them each one means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from runtime.errors import InputError, suggest

__all__ = ["place_of_each"]

# From this likeness on (difflib's ratio) two names may be one, written in two ways.
_ALIKE = 0.75


def place_of_each(found: Sequence[str], given: Sequence[str], given_words: str, data_words: str) -> list[int]:
    """For each name found in the data its position among the given names, which say the order of a network's outputs.

    A given name that the data holds means itself: then all of them do. Names of which the data holds none are new ones for what
    was found, in its order; for whole numbers, the names of 0, 1, 2, ...

    Args:
        found: names in the data, each once: whole numbers in their order, or texts in theirs.
        given: other names or the same, each once.
        given_words: what was given, for messages: "2 class names were given (a, b)".
        data_words: what the data holds: "the data has 2 classes".

    Raises:
        InputError: some of the names are in the data and others are not, there are more or fewer new ones than found, or a new
            one is written like the name of another class.
    """
    wholes = [_whole(name) for name in found]
    numbers = bool(found) and None not in wholes and len(set(wholes)) == len(found)
    names = [_written(name, numbers) for name in given]
    own = [_written(name, numbers) for name in found]
    if any(name in names for name in own):
        without = next((name for name, key in zip(found, own, strict=True) if key not in names), None)
        if without is not None:
            raise InputError(
                f"{given_words}; {data_words}. Some of these names are in the data, so each means itself, and {without!r} is "
                f"not among them.{suggest(without, given)}"
            )
        other = next((name for name, key in zip(given, names, strict=True) if key not in own), None)
        if other is not None and not numbers:  # of numbers some may have no example
            raise InputError(
                f"{given_words}; {data_words}. Some of these names are in the data, so each means itself, and {other!r} is not "
                f"in it.{suggest(other, found)}"
            )
        return [names.index(key) for key in own]
    if numbers:
        positions = [int(name) for name in own]
        if min(positions) >= 0 and max(positions) < len(given):
            return positions  # also where a class has no example here
    if len(given) != len(found):
        raise InputError(f"{given_words}; {data_words}. Give one name for each, or those in the data.")
    if not numbers:
        _refuse_crossed(found, given, given_words, data_words)
    return list(range(len(found)))


def _refuse_crossed(found: Sequence[str], given: Sequence[str], given_words: str, data_words: str) -> None:
    """Raise InputError for a new name that is like another class's more than like that of the class in its place."""
    for place, name in enumerate(given):
        likeness = [_likeness(name, own) for own in found]
        best = max(range(len(found)), key=likeness.__getitem__)
        if likeness[best] >= _ALIKE and likeness[best] > likeness[place]:
            raise InputError(
                f"{given_words}; {data_words}. {name!r} would be the new name of {found[place]!r}, and is like {found[best]!r}. "
                f"Write names that are in the data as they are there, or give new ones in the order {', '.join(found)}."
            )


def _likeness(one: str, other: str) -> float:
    first, second = one.strip().casefold(), other.strip().casefold()
    return 1.0 if first == second else difflib.SequenceMatcher(None, first, second, autojunk=False).ratio()


def _written(name: str, numbers: bool) -> str:
    """A name in the one form by which it is compared: of whole numbers "2" for "2.0" and "02"."""
    whole = _whole(name) if numbers else None
    return name if whole is None else str(whole)


def _whole(name: str) -> int | None:
    """The whole number that a name is, or None; False and True are 0 and 1."""
    if name in ("False", "True"):
        return int(name == "True")
    try:
        number = float(name)
        return int(name) if name.strip("+-").isdecimal() else int(number) if number.is_integer() else None
    except (ValueError, OverflowError):
        return None

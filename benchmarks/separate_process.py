"""Call a function in a process of its own that starts with its imports done, and survive whatever becomes of it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["ProcessEnded", "Separate"]


class ProcessEnded(Exception):
    """The process raised, was killed, or took too long."""


class Separate:
    """Starts processes from one that has imported `modules` already, which takes longer than many a function.

    Args:
        modules: what the functions need; none of them may start threads when it is imported.
        time_limit: seconds a call may take.
    """

    def __init__(self, modules: Sequence[str], time_limit: float) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(modules))
        self._time_limit = time_limit

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(*arguments)` returns. Raises ProcessEnded where it does not return."""
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_answer, args=(there, function, arguments))
        process.start()
        there.close()
        try:
            if not here.poll(self._time_limit):
                raise ProcessEnded(f"it took more than {self._time_limit:.0f} s")
            passed, value = here.recv()
            process.join(timeout=10)  # it tidies up behind itself
        except EOFError:
            process.join()
            raise ProcessEnded(f"it was killed or crashed (exit code {process.exitcode})") from None
        finally:
            process.kill()
            process.join()
            here.close()
        if not passed:
            raise ProcessEnded(value)
        return value


def _answer(there: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        there.send((True, function(*arguments)))
    except Exception as error:  # told to the parent, which goes on
        there.send((False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))

"""Worker processes that make batches ahead, and return them in order; results equal those of a single process."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from runtime.errors import InputError, ToolkitError

__all__ = ["WorkerPool"]


class WorkerPool:
    """Pool of worker processes that run `make(job)`; they live across epochs, until `close` or the pool is freed.

    Args:
        make: called in the workers, which share everything it holds.
        workers: number of processes.
        pin_memory: return batches in page-locked memory, for a GPU.
    """

    def __init__(self, make: Callable[[Any], Any], workers: int, pin_memory: bool = False) -> None:
        self._jobs = _Jobs()
        self._results: Any = None
        # without a guard of __main__ a script can only be forked, and most scripts have none; torch forks on Linux too
        context = "fork" if sys.platform == "linux" else multiprocessing.get_start_method()
        with _quiet():
            self._loader: DataLoader[Any] | None = DataLoader(
                _Made(make),
                batch_size=None,
                sampler=self._jobs,
                num_workers=workers,
                collate_fn=_as_it_is,
                pin_memory=pin_memory,
                worker_init_fn=_leave_the_end_to_the_parent,
                multiprocessing_context=context,
                persistent_workers=True,
                generator=torch.Generator(),  # else each epoch would draw from the global one
            )

    def run(self, jobs: Sequence[Any]) -> Iterator[Any]:
        """The results of the jobs, in their order.

        Raises:
            ToolkitError: as it was raised in a worker.
            InputError: a worker ended unexpectedly.
        """
        if self._loader is None:
            raise ValueError("the pool is closed")
        self._jobs.now = jobs
        with _quiet():
            results = self._results = iter(self._loader)
        while True:
            try:
                result = next(results)
            except StopIteration:
                return
            except RuntimeError as error:
                if "exited unexpectedly" not in str(error):
                    raise
                raise InputError(
                    f"A worker process that prepares batches ended unexpectedly ({error}). It may have run out of memory: use fewer "
                    f"workers; where processes cannot be forked, put the script's calls under if __name__ == '__main__'."
                ) from error
            if isinstance(result, _Failure):
                raise result.error()
            yield result

    def close(self) -> None:
        """End the workers. A pool that is closed already stays so."""
        results, self._loader, self._results = self._results, None, None
        if results is not None:
            # torch has no public call for it, and waits for the last reference: after Ctrl-C the traceback still holds one
            results._shutdown_workers()


class _Jobs(Sampler[Any]):
    """Sampler of the current epoch's jobs."""

    def __init__(self) -> None:
        self.now: Sequence[Any] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)


class _Made(Dataset[Any]):
    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make

    def __getitem__(self, job: Any) -> Any:
        try:
            return self.make(job)
        except ToolkitError as error:
            return _Failure(type(error), str(error))


class _Failure:
    """Exception of a worker, passed on without the traceback that DataLoader would write into its message."""

    def __init__(self, kind: type[ToolkitError], message: str) -> None:
        self.kind, self.message = kind, message

    def error(self) -> ToolkitError:
        error = self.kind.__new__(self.kind)
        Exception.__init__(error, self.message)
        return error


def _as_it_is(value: Any) -> Any:
    return value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress two warnings: of more workers than cores (the caller's choice), and of a fork beside threads.

    The workers run torch with one thread and hold none of the parent's locks.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        yield


def _leave_the_end_to_the_parent(_worker: int) -> None:
    """Ctrl-C is for the parent, which ends its workers itself, maybe while one hands it a batch: the worker has no more to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _without_broken_connections


def _without_broken_connections(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error of a worker's thread, unless it is that the parent broke a connection off."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)

"""What every stage's `main()` stands on: one clear error, one way to stop, and outputs that are whole or absent."""

import errno
import functools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class BadInput(Exception):
    """Something the user gave cannot be used.

    Args:
        place: where it stands, such as `params.yaml: clean.min_words` or `data/inbox/poems.csv: line 3`.
        problem: the value found and what is wrong with it.
        remedy: what to do about it, as an instruction.
    """

    def __init__(self, place: str, problem: str, remedy: str) -> None:
        super().__init__(place, problem, remedy)  # all three, so that it can be pickled by a worker process
        self.place, self.problem, self.remedy = place, problem, remedy

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}. {self.remedy}"


def stage(main: Callable[[], None]) -> Callable[[], None]:
    """Wrap a stage's `main()` so that a fault ends in one sentence and an exit status, not in a traceback.

    Status 2 is bad input or a machine that cannot take the output (space, permission); 130 is Ctrl-C. Any other
    exception is a bug of ours and keeps its traceback.
    """

    @functools.wraps(main)
    def run() -> None:
        name = main.__module__.rpartition(".")[2]
        if name == "__main__":
            name = Path(sys.argv[0]).stem
        # SIGTERM is how an orchestrator cancels: unwind like Ctrl-C so that partial outputs are removed.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            main()
        except BadInput as error:
            _stop(f"{name}: {error}", 2)
        except OSError as error:
            if error.errno not in _MACHINE_FAULTS:
                raise
            where = error.filename or "an output"
            _stop(f"{name}: {where}: {error.strerror}. {_MACHINE_FAULTS[error.errno]}", 2)
        except KeyboardInterrupt:
            _stop(f"{name}: stopped. Nothing half-written was left; run the same command to go on.", 130)

    return run


_MACHINE_FAULTS = {
    errno.ENOSPC: "Free some disk space and run the same command again; finished stages are kept.",
    errno.EDQUOT: "Free some of your disk quota and run the same command again; finished stages are kept.",
    errno.EACCES: "Give this user permission to write there and run the same command again.",
    errno.EPERM: "Give this user permission to write there and run the same command again.",
    errno.EROFS: "The file system is read-only: move the repository to a writable one.",
}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _stop(message: str, status: int) -> None:
    print(f"estrofa: {message}", file=sys.stderr, flush=True)
    sys.exit(status)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it becomes `path`, on any failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a fresh temporary folder to fill; on success it becomes `path`, on any failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a kill -9 may have left
    partial.mkdir()
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)

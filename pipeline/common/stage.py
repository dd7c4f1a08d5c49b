"""What every stage's `main()` uses: one clear error, one way to stop, and outputs that are whole or absent."""

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
        place: where it is, such as `params.yaml: clean.min_words` or `data/inbox/poems.csv: line 3`.
        problem: the value found and what is wrong with it.
        remedy: what to do about it, as an instruction.
    """

    def __init__(self, place: str, problem: str, remedy: str) -> None:
        super().__init__(place, problem, remedy)  # all three, so that it can be pickled by a worker process
        self.place, self.problem, self.remedy = place, problem, remedy

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}. {self.remedy}"


def stage(main: Callable[[], None]) -> Callable[[], None]:
    """Wrap a stage's `main()` so that an error ends in one sentence and an exit status instead of a traceback.

    Status 2 means bad input, or no space or permission for the output; 130 means Ctrl-C. Any other exception is a bug
    in the pipeline and keeps its traceback.
    """

    @functools.wraps(main)
    def run() -> None:
        name = main.__module__.rpartition(".")[2]
        if name == "__main__":
            name = Path(sys.argv[0]).stem
        # Orchestrators cancel with SIGTERM: unwind as for Ctrl-C, so that partial outputs are removed.
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
            _stop(f"{name}: stopped. No half-written file is left; run the same command to go on.", 130)

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
    """Yield a temporary path to write to. On success it becomes `path`; on failure it is removed."""
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
    """Yield an empty temporary folder. On success it replaces `path`; on failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
    partial.mkdir()
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)

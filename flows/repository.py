"""The repository a flow writes to: one writer at a time, the commit it is at, and the branch that takes dvc.lock."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from filelock import FileLock, Timeout
from prefect import get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from pipeline.common.identity import git, sha256_of
from pipeline.common.stage import BadInput

TRACKED_OUTPUTS = ("dvc.lock", "metrics", "plots")  # what a run changes among the files in git


@contextmanager
def one_writer(root: Path) -> Iterator[None]:
    """Hold the repository's lock; wait while another flow run has it.

    When a run is killed, the system frees its lock, but its id stays in the file beside it and Prefect still counts it
    as running. The next run finds the id and marks that run as crashed.
    """
    lock = FileLock(root / ".dvc" / "tmp" / "flow.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        get_run_logger().info("Another run is writing to this repository; waiting for it to end")
        lock.acquire(poll_interval=0.5)
    holder = Path(lock.lock_file).with_suffix(".run")
    try:
        if holder.exists():
            mark_crashed(holder.read_text())
        holder.write_text(str(runtime.flow_run.id))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def mark_crashed(flow_run: str) -> None:
    """Set the state of a flow run that was killed, and that Prefect counts as running, to crashed."""
    with get_client(sync_client=True) as client, suppress(ObjectNotFound, ValueError):
        found = client.read_flow_run(UUID(flow_run))
        if found.state is not None and not found.state.is_final():
            client.set_flow_run_state(found.id, Crashed(message="Killed while it ran"), force=True)


def origin(root: Path) -> dict[str, str]:
    """The commit, and the SHA-256 of params.yaml and dvc.lock."""
    digests = {
        name: sha256_of(root / name) if (root / name).exists() else "none" for name in ("params.yaml", "dvc.lock")
    }
    return {"commit": git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False) or "none", **digests}


def commit_lock(root: Path, branch: str) -> str:
    """Commit the run's tracked outputs to a branch, without touching the working tree, the index or the current branch.

    Returns:
        What was done, in words.

    Raises:
        BadInput: the branch is checked out, or git refuses.
    """
    if git(root, "branch", "--show-current") == branch:
        raise BadInput(
            f"lock_branch: {branch}", "it is checked out here", "Name another branch, or leave lock_branch out"
        )
    tip = git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)
    with TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git(root, "read-tree", "HEAD", **index)
        git(root, "add", "--", *(name for name in TRACKED_OUTPUTS if (root / name).exists()), **index)
        tree = git(root, "write-tree", **index)
    if tree == git(root, "rev-parse", f"{tip or 'HEAD'}^{{tree}}"):
        return "dvc.lock is unchanged; nothing to commit"
    head = git(root, "rev-parse", "HEAD")
    parents = [part for parent in dict.fromkeys(filter(None, (tip, head))) for part in ("-p", parent)]
    author = {
        "GIT_AUTHOR_NAME": "estrofa",
        "GIT_AUTHOR_EMAIL": "estrofa@localhost",
        "GIT_COMMITTER_NAME": "estrofa",
        "GIT_COMMITTER_EMAIL": "estrofa@localhost",
    }
    commit = git(root, "commit-tree", tree, *parents, "-m", "Update dvc.lock, metrics and plots", **author)
    git(root, "update-ref", f"refs/heads/{branch}", commit)
    return f"Committed dvc.lock, metrics and plots to {branch} as {commit[:12]}"

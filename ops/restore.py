"""A version's code, data and params, back as they were: `python -m ops.restore VERSION [retrain]`.

They come into a git worktree beside this repository, which stays as it is. With `retrain` the model is trained anew
there, and its weights are compared with the version's: on CPU they are the same bit for bit.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.common.params import load_params
from pipeline.common.stage import BadInput, stage
from pipeline.register import ORIGIN
from pipeline.release.registry import MANIFEST_TAG, difference, manifest, model_version, registry

ROOT = Path(__file__).resolve().parent.parent


def restore(root: Path, name: str, version: str, folder: Path) -> None:
    """Check a version's commit out into `folder`, with what was not committed, its params, its data and its model.

    Raises:
        BadInput: the folder is there already, the commit or the data are not to be had, or the registry is away.
    """
    found = model_version(name, version)
    place = f"{name} version {version}"
    if folder.exists():
        raise BadInput(str(folder), "already there", f"Remove it with `git worktree remove --force {folder}`")
    commit = found.tags.get("git_commit", "none")
    remedy = "Fetch the branch it was made on (`git fetch`), and run again"
    run(place, remedy, root, "git", "worktree", "add", "--quiet", "--detach", str(folder), commit)
    with registry() as client, TemporaryDirectory() as scratch:
        origin = Path(client.download_artifacts(found.run_id, ORIGIN, scratch))
        patch = origin / "uncommitted.patch"
        if patch.stat().st_size:
            run(place, "Read the patch in MLflow", folder, "git", "apply", str(patch))
        for file in ("params.yaml", "dvc.lock"):
            if (origin / file).exists():
                (folder / file).write_bytes((origin / file).read_bytes())
        shutil.copytree(origin / "metrics", folder / "metrics", dirs_exist_ok=True)
    cache = subprocess.run(dvc("cache", "dir"), cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    run(place, "Look at .dvc/config", folder, *dvc("config", "--local", "cache.dir", str((root / cache).resolve())))
    if subprocess.run(dvc("checkout", "--quiet"), cwd=folder, capture_output=True).returncode:
        run(place, "Name the remote that has its data: `make remote URL=…`", folder, *dvc("pull", "--quiet"))


def retrain(folder: Path, name: str, version: str) -> str | None:
    """Train the model of a restored version anew, with runs kept in the folder.

    Returns:
        What differs from the version's files, in words; None where they are the same bit for bit.
    """
    expected = json.loads(model_version(name, version).tags[MANIFEST_TAG])
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "PYTHONPATH": ""}
    command = dvc("repro", "--force", "--single-item", "finetune")
    run(f"{name} version {version}", "Read what the stage says above", folder, *command, shown=True, **environment)
    found = manifest(folder / "models" / "poet")
    for file, digest in found.items():
        print(f"{digest}  {file}")
    return difference(expected, found)


def dvc(*arguments: str) -> list[str]:
    """DVC of this Python."""
    return [sys.executable, "-m", "dvc", *arguments]


def run(place: str, remedy: str, root: Path, *command: str, shown: bool = False, **environment: str) -> None:
    """Run a command.

    Raises:
        BadInput: it failed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    env = os.environ | {"PATH": path} | environment
    ended = subprocess.run(command, cwd=root, env=env, stderr=None if shown else subprocess.PIPE, text=True)
    if ended.returncode:
        raise BadInput(place, (ended.stderr or f"{command[-1]} failed").strip(), remedy)


@stage
def main() -> None:
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["retrain"]):
        raise BadInput("restore", f"{' '.join(sys.argv[1:])!r} is not understood", "Use: make restore VERSION=3")
    name, version = load_params().register_.model_name, sys.argv[1]
    folder = ROOT.parent / f"{ROOT.name}-version-{version}"
    restore(ROOT, name, version, folder)
    print(f"{name} version {version} is in {folder}: code, params, data and model as they were")
    if sys.argv[2:]:
        different = retrain(folder, name, version)
        if different:
            raise BadInput(f"{name} version {version}", f"trained anew, {different}", "Compare processor and packages")
        print("Trained anew, every file is the same, bit for bit.")


if __name__ == "__main__":
    main()

"""Restore a version's code, data, params and model: `python -m ops.restore VERSION [retrain]`.

They go into a git worktree beside this repository, which is left as it is. With `retrain`, the model is trained again
there and compared with the version: on CPU, the weights are the same bit for bit.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.commands import ROOT, dvc, run
from pipeline.common.params import load_params
from pipeline.common.stage import BadInput, stage
from pipeline.register import ORIGIN
from pipeline.release.registry import MANIFEST_TAG, difference, manifest, model_version, registry


def restore(root: Path, name: str, version: str, folder: Path) -> None:
    """Check out a version's commit into `folder`, then restore its uncommitted edits, params, data and model.

    Raises:
        BadInput: the folder exists, the commit or the data is not available here, or the registry does not answer.
    """
    found = model_version(name, version)
    place = f"{name} version {version}"
    if folder.exists():
        raise BadInput(str(folder), "it already exists", f"Remove it with `git worktree remove --force {folder}`")
    commit = found.tags.get("git_commit", "none")
    remedy = "Run `git fetch` to get the branch it was made on, then try again"
    run(place, remedy, root, "git", "worktree", "add", "--quiet", "--detach", str(folder), commit)
    with registry() as client, TemporaryDirectory() as scratch:
        origin = Path(client.download_artifacts(found.run_id, ORIGIN, scratch))
        patch = origin / "uncommitted.patch"
        if patch.stat().st_size:
            run(place, "Look at origin/uncommitted.patch in MLflow", folder, "git", "apply", str(patch))
        for file in ("params.yaml", "dvc.lock"):
            if (origin / file).exists():
                (folder / file).write_bytes((origin / file).read_bytes())
        shutil.copytree(origin / "metrics", folder / "metrics", dirs_exist_ok=True)
    cache = subprocess.run(dvc("cache", "dir"), cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    run(place, "Check .dvc/config", folder, *dvc("config", "--local", "cache.dir", str((root / cache).resolve())))
    if subprocess.run(dvc("checkout", "--quiet"), cwd=folder, capture_output=True).returncode:
        run(place, "Set the remote that has its data: `make remote URL=…`", folder, *dvc("pull", "--quiet"))


def retrain(folder: Path, name: str, version: str) -> str | None:
    """Train the model of a restored version again, with an MLflow store in its folder.

    Returns:
        What differs from the version's files, in words; None if they are the same bit for bit.
    """
    expected = json.loads(model_version(name, version).tags[MANIFEST_TAG])
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "PYTHONPATH": ""}
    command = dvc("repro", "--force", "--single-item", "finetune")
    run(f"{name} version {version}", "See the stage's error above", folder, *command, shown=True, **variables)
    found = manifest(folder / "models" / "poet")
    for file, digest in found.items():
        print(f"{digest}  {file}")
    return difference(expected, found)


@stage
def main() -> None:
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["retrain"]):
        raise BadInput("restore", f"{' '.join(sys.argv[1:])!r} is not a version", "Use: make restore VERSION=3")
    name, version = load_params().register_.model_name, sys.argv[1]
    folder = ROOT.parent / f"{ROOT.name}-version-{version}"
    restore(ROOT, name, version, folder)
    print(f"Restored {name} version {version} to {folder}: code, params, data and model")
    if sys.argv[2:]:
        different = retrain(folder, name, version)
        if different:
            raise BadInput(
                f"{name} version {version}",
                f"trained again, {different}",
                "Compare the processors and the installed packages",
            )
        print("Trained again: every file is the same, bit for bit.")


if __name__ == "__main__":
    main()

"""The whole road at once: `dvc repro` in a fresh copy of the repository, with a tiny model in place of the base."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from ops import restore
from pipeline.common.params import load_params
from tests.support.made_up import ROOT

pytestmark = pytest.mark.slow

CHANGES = {
    "finetune": {"max_tokens": 8192, "batch_size": 2, "evaluate_every": 4, "checkpoint_every": 2},
    "evaluate": {"poems_per_language": 2},
    "generation": {"max_words": 20},
}
STAGES = ["scrape", "clean", "tag", "tokenize", "finetune", "evaluate", "register"]
REPORTS = ["corpus_report", "evaluation_report"]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # MLflow leaves the store that another test named in the environment.
    own = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return own | {"PATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def repro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    return subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=600)


def change_params(project: Path, changes: dict[str, object]) -> None:
    yaml = YAML()  # as `dvc exp run -S` rewrites the file
    values = yaml.load(project / "params.yaml")
    for section, value in changes.items():
        if isinstance(value, dict):
            values[section].update(value)
        else:
            values[section] = value
    yaml.dump(values, project / "params.yaml")


def report(project: Path, stage: str) -> dict:
    return json.loads((project / "metrics" / f"{stage}.json").read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_bases):
    """A clone as git has it now, after one `dvc repro`."""
    folder = tmp_path_factory.mktemp("clone")
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "metrics/", "plots/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    change_params(folder, CHANGES | {"base": str(tiny_bases["llama"])})
    person = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], [*person, "commit", "-qm", "a clone"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    ended = repro(folder)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return folder


def test_every_stage_leaves_its_report(project):
    assert sorted(path.stem for path in (project / "metrics").iterdir()) == sorted([*STAGES, "poet"])


def test_of_all_reports_dvc_shows_the_poets_headlines_in_a_line_that_fits_a_terminal(project):
    command = [sys.executable, "-m", "dvc", "metrics", "show"]
    shown = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=True).stdout
    header, *rows = shown.strip().split("\n")
    assert len(header) < 160
    assert [row.split()[0] for row in rows] == ["metrics/poet.json"]
    values = report(project, "evaluate")["values"]
    assert report(project, "poet")["bits_per_byte"] == values["bits_per_byte"]["tuned"]


def test_no_poem_disappears_on_the_way(project):
    found = sum(source["poems"] for source in report(project, "scrape").values())
    clean, tag = report(project, "clean"), report(project, "tag")
    assert clean["poems_in"] == found == clean["poems_kept"] + sum(clean["rejected"].values())
    assert tag["poems_in"] == clean["poems_kept"] == tag["poems_kept"] + sum(tag["rejected"].values())
    split = report(project, "tokenize")["poems"]
    assert sum(sum(by_language.values()) for by_language in split.values()) == tag["poems_kept"]
    for stage in ("clean", "tagged"):
        rejects = pd.read_parquet(project / "data" / stage / "rejects.parquet")
        assert rejects["reason"].all()
        assert rejects["text"].notna().all()


def test_the_oddities_of_the_site_are_rejected_for_what_they_are(project):
    reasons = {**report(project, "clean")["rejected"], **report(project, "tag")["rejected"]}
    assert {"exact duplicate", "too long", "too short", "mixed languages", "other language: fr"} <= set(reasons)


def test_at_least_150_poems_of_each_language_are_kept(project):
    assert all(count >= 150 for count in report(project, "tag")["kept"].values())


def test_no_cluster_of_resembling_poems_crosses_the_split(project):
    clusters = [set(pd.read_parquet(file)["cluster"]) for file in (project / "data" / "tokens").glob("*.parquet")]
    assert len(clusters) == 3
    assert sum(map(len, clusters)) == len(set.union(*clusters))


def test_the_model_is_a_version_with_the_alias_and_its_provenance(project):
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    version = client.get_model_version_by_alias("estrofa", "challenger")
    assert int(version.version) == report(project, "register")["version"]
    assert {"git_commit", "dvc_lock_sha256", "base", "method", "data_md5"} <= set(version.tags)
    assert "bits per byte" in version.description
    run = client.get_run(version.run_id)
    assert "bits_per_byte/tuned/es" in run.data.metrics


def test_a_second_run_does_nothing_and_says_so(project):
    ended = repro(project)
    assert ended.returncode == 0
    assert re.findall(r"Running stage '(\w+)'", ended.stdout) == ["inputs"]  # which sees whether local files changed
    assert ended.stdout.count("didn't change, skipping") == len(STAGES) + len(REPORTS)


def test_a_fault_in_the_params_stops_the_run_before_any_work_and_loses_nothing(project):
    kept = (project / "params.yaml").read_text()
    change_params(project, {"clean": {"min_wrods": 3}})
    ended = repro(project)
    assert ended.returncode != 0
    assert "estrofa: inputs: params.yaml: clean.min_wrods: unknown key" in ended.stdout + ended.stderr
    (project / "params.yaml").write_text(kept)
    ended = repro(project)
    assert ended.returncode == 0
    assert "Running stage 'finetune'" not in ended.stdout  # what was finished before the fault is still there


def test_a_run_killed_while_it_trains_goes_on(project):
    change_params(project, {"finetune": {"max_tokens": 65536}})
    command = [sys.executable, "-m", "dvc", "repro"]
    log = project.with_suffix(".log")
    with log.open("w") as said:
        process = subprocess.Popen(
            command, cwd=project, env=environment(), stdout=said, stderr=said, start_new_session=True
        )
    # 62 of 64 steps and 16 validations are still to come when it is there.
    while not list((project / ".checkpoints").glob("*/last.pt")):
        assert process.poll() is None, log.read_text()[-2000:]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project / "models" / "poet").exists()
    ended = repro(project)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert report(project, "finetune")["tokens"] == 65536
    assert report(project, "register")["version"] == 2


def test_an_earlier_version_is_restored_and_trained_again_bit_for_bit(project, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    folder = tmp_path / "version-1"
    restore.restore(project, "estrofa", "1", folder)
    assert load_params(folder / "params.yaml").finetune.max_tokens == 8192  # version 2 has more
    assert (folder / "data" / "tokens" / "test.parquet").exists()
    shutil.rmtree(folder / "models" / "poet")
    assert restore.retrain(folder, "estrofa", "1") is None
    (folder / "params.yaml").write_text((folder / "params.yaml").read_text().replace("0.0005", "0.0006"))
    assert "was altered" in restore.retrain(folder, "estrofa", "1")

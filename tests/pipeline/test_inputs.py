"""The content of local files counts: an edited file is read again, one that was only touched is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import inputs
from pipeline.common.params import FilesSource, HubSource, load_params
from pipeline.common.stage import BadInput
from tests.support.made_up import ROOT, changed_params

ROW = '{{"text": "{}"}}\n'


def scrape_params(**sources):
    return load_params().scrape.model_copy(update={"sources": sources})


def test_files_of_a_pattern_and_of_a_data_set_in_a_folder_count(tmp_path):
    for name in ("a.csv", "b.csv", "notes.md"):
        (tmp_path / name).write_text(name)
    params = scrape_params(
        mine=FilesSource(kind="files", path=str(tmp_path / "*.csv")),
        folder=HubSource(kind="hub", dataset=str(tmp_path)),
        elsewhere=HubSource(kind="hub", dataset="someone/poems"),
    )
    found = {name: [path.name for path in paths] for name, paths in inputs.local_files(params).items()}
    assert found == {"mine": ["a.csv", "b.csv"], "folder": ["a.csv", "b.csv", "notes.md"]}


def test_a_source_without_a_file_is_named(tmp_path):
    params = scrape_params(mine=FilesSource(kind="files", path=str(tmp_path / "poems.csv")))
    with pytest.raises(BadInput, match=r"scrape\.sources\.mine\.path"):
        inputs.local_files(params)


def test_only_files_that_changed_are_hashed_again(tmp_path, monkeypatch):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in paths:
        path.write_text("text\n")
    known = {}
    first = inputs.digests(paths, known)
    paths[1].write_text("TEXT\n")
    hashed = []
    monkeypatch.setattr(inputs, "sha256_of", lambda path: hashed.append(path) or "new")
    assert inputs.digests(paths, known) == {str(paths[0]): first[str(paths[0])], str(paths[1]): "new"}
    assert hashed == [paths[1]]


def test_a_note_that_is_not_whole_is_made_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("poems.csv").write_text("text\na poem\n")
    params = changed_params({"scrape.sources": {"mine": {"kind": "files", "path": "poems.csv"}}})
    Path("params.yaml").write_text(params.model_dump_json(by_alias=True), encoding="utf-8")
    inputs.KNOWN.parent.mkdir(parents=True)
    inputs.KNOWN.write_text('{"poems.csv": [1,')
    inputs.main()
    assert list(json.loads(inputs.INPUTS.read_text())["mine"]) == ["poems.csv"]


@pytest.fixture
def project(tmp_path):
    """The repository's code and stages, with one source: a folder of local files."""
    for name in ("pipeline", "scrapers"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    yaml = YAML()
    values = yaml.load(ROOT / "params.yaml")
    values["scrape"]["sources"] = {"mine": {"kind": "files", "path": "inbox", "language": "en"}}
    yaml.dump(values, tmp_path / "params.yaml")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "poems.jsonl").write_text(ROW.format("The first"))
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_dvc_repro_reads_a_file_again_only_when_its_content_changed(project):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def repro():
        command = [sys.executable, "-m", "dvc", "repro", "scrape"]
        ended = subprocess.run(command, cwd=project, env=os.environ | {"PATH": path}, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        read_again = "Running stage 'scrape'" in ended.stdout
        assert read_again != ("Stage 'scrape' didn't change, skipping" in ended.stdout)
        return read_again, (project / "data/raw/mine.jsonl").read_text()

    poems = project / "inbox" / "poems.jsonl"
    assert repro()[0]
    assert not repro()[0]
    poems.touch()
    assert not repro()[0]
    poems.write_text(ROW.format("The other"))  # of the same length
    read_again, raw = repro()
    assert read_again
    assert "The other" in raw
    (project / "inbox" / "more.jsonl").write_text(ROW.format("One more"))
    read_again, raw = repro()
    assert read_again
    assert "One more" in raw

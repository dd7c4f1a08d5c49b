"""A version is found by its alias and downloaded whole and unaltered, or refused with the reason."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mlflow import MlflowClient

from pipeline import evaluate, register
from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report
from pipeline.release.registry import alias_version, fetch_version, manifest, model_version
from tests.support.evaluated import working_project


@pytest.fixture(scope="module")
def version(tmp_path_factory, tiny_bases, mlflow_store):
    """The number of a version that was just registered; its project is the working directory."""
    with working_project(tmp_path_factory.mktemp("registry"), tiny_bases["llama"], mlflow_store):
        evaluate.main()
        register.main()
        yield str(read_report(register.REPORT)["version"])


@pytest.fixture
def cache(version, tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def stored_poet(version):
    """The version's folder in the artifact store, put back as it was after the test."""
    source = MlflowClient().get_model_version_download_uri("estrofa", version)
    poet = Path(unquote(urlsplit(source).path)) / "artifacts" / "poet"
    kept = poet.with_name("kept")
    shutil.copytree(poet, kept)
    yield poet
    shutil.rmtree(poet, ignore_errors=True)
    kept.rename(poet)


def test_an_alias_points_to_its_version(version):
    assert alias_version("estrofa", "challenger").version == int(version)


def test_without_an_alias_a_model_or_a_store_there_is_no_version(version, tmp_path, monkeypatch):
    assert alias_version("estrofa", "nobody") is None
    assert alias_version("nothing", "challenger") is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert alias_version("estrofa", "challenger") is None
    assert not (tmp_path / "mlflow.db").exists()


def test_a_fetched_version_is_the_folder_that_was_registered(version, cache):
    folder = fetch_version("estrofa", version)
    assert manifest(folder) == manifest(register.POET)
    assert cache in folder.parents


def test_a_version_is_downloaded_once(version, cache, stored_poet):
    folder = fetch_version("estrofa", version)
    shutil.rmtree(stored_poet)
    assert fetch_version("estrofa", int(version)) == folder


def test_a_damaged_local_copy_is_downloaded_again(version, cache):
    folder = fetch_version("estrofa", version)
    (folder / "config.json").write_text("{}")
    assert manifest(fetch_version("estrofa", version)) == manifest(register.POET)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda poet: shutil.rmtree(poet), "its files are not in the artifact store"),
        (lambda poet: (poet / "model.safetensors").unlink(), r"its file model\.safetensors is missing"),
        (lambda poet: (poet / "config.json").write_text("{}"), r"its file config\.json was altered"),
        (lambda poet: (poet / "extra.py").write_text(""), r"a file that was not registered: extra\.py"),
    ],
)
def test_files_that_differ_from_the_registered_ones_are_refused(version, cache, stored_poet, damage, reason):
    damage(stored_poet)
    with pytest.raises(BadInput, match=reason):
        fetch_version("estrofa", version)
    assert not [path for path in cache.rglob("*") if path.suffix != ".lock" and path.name != "versions"]


def test_an_unknown_version_is_named(version):
    with pytest.raises(BadInput, match="estrofa version 999: not in the registry"):
        model_version("estrofa", 999)


def test_a_version_that_cannot_be_verified_is_refused(version, cache):
    client = MlflowClient()
    client.create_registered_model("unchecked")
    unknown = client.create_model_version("unchecked", "file:///nowhere")
    with pytest.raises(BadInput, match="no tag poet_sha256"):
        fetch_version("unchecked", unknown.version)


def test_an_unavailable_registry_is_reported_at_once(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:secret@127.0.0.1:9")
    with pytest.raises(BadInput, match=r"http://somebody:\*\*\*@127\.0\.0\.1:9: the registry does not answer"):
        alias_version("estrofa", "champion")

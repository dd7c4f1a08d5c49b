"""One command shares data by a folder or an S3, with the keys in the environment alone."""

import subprocess
import sys

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ops.remote import set_remote
from pipeline.common.stage import BadInput

pytestmark = pytest.mark.slow


def run(folder, *command):
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def dvc(folder, *arguments):
    return run(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture
def repository(tmp_path):
    """A repository with a file that DVC tracks."""
    folder = tmp_path / "repository"
    folder.mkdir()
    run(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    (folder / "poems.txt").write_text("a poem")
    dvc(folder, "add", "-q", "poems.txt")
    return folder


def pulled_by_another(repository):
    """What somebody else gets by cloning the repository and pulling."""
    run(repository, "git", "add", "-A")
    run(repository, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "poems")
    clone = repository.with_name("clone")
    run(repository, "git", "clone", "-q", str(repository), str(clone))
    dvc(clone, "pull", "-q")
    return (clone / "poems.txt").read_text()


@pytest.fixture
def s3(monkeypatch):
    """An S3 on loopback with a bucket; its address and keys are in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="poems")
    yield f"http://127.0.0.1:{port}"
    server.stop()


def test_a_folder(repository, tmp_path):
    set_remote(repository, str(tmp_path / "remote"))
    assert pulled_by_another(repository) == "a poem"


def test_an_s3_whose_keys_are_written_to_no_file(repository, s3):
    set_remote(repository, "s3://poems/dvc", s3)
    assert pulled_by_another(repository) == "a poem"
    assert "a-secret-key" not in (repository / ".dvc" / "config").read_text()


def test_a_remote_that_refuses_the_data_is_not_set(repository, s3):
    before = (repository / ".dvc" / "config").read_text()
    with pytest.raises(BadInput, match="remote s3://no-such-bucket/dvc"):
        set_remote(repository, "s3://no-such-bucket/dvc", s3)
    assert (repository / ".dvc" / "config").read_text() == before


def test_credentials_in_the_address_are_refused(repository):
    with pytest.raises(BadInput, match="holds credentials"):
        set_remote(repository, "s3://somebody:secret@poems/dvc")

"""What a flow leaves in the repository it ran in, and how long a stage may take."""

import subprocess

import pytest
from prefect import flow

from flows.command import run_command
from flows.repository import commit_lock, git, origin
from pipeline.common.stage import BadInput

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path):
    """A repository with a commit, in which a run has since changed dvc.lock, and the user a file of their own."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "dvc.lock").write_text("before")
    (tmp_path / "notes").write_text("before")
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "start")
    (tmp_path / "dvc.lock").write_text("after")
    (tmp_path / "notes").write_text("unfinished")
    return tmp_path


def test_a_branch_takes_the_lock_and_none_of_the_users_edits(repository):
    before = git(repository, "status", "--porcelain")
    commit_lock(repository, "refreshes")
    assert git(repository, "show", "refreshes:dvc.lock") == "after"
    assert git(repository, "show", "refreshes:notes") == "before"
    assert git(repository, "status", "--porcelain") == before
    assert git(repository, "branch", "--show-current") == "main"


def test_the_branch_grows_only_where_the_lock_changed(repository):
    commit_lock(repository, "refreshes")
    assert "nothing to commit" in commit_lock(repository, "refreshes")
    first = git(repository, "rev-parse", "refreshes")
    (repository / "dvc.lock").write_text("later")
    commit_lock(repository, "refreshes")
    assert git(repository, "rev-parse", "refreshes~1") == first


def test_the_branch_that_is_checked_out_is_refused(repository):
    with pytest.raises(BadInput, match="lock_branch: main: it is checked out here"):
        commit_lock(repository, "main")


def test_a_run_names_its_commit_and_the_hash_of_its_lock(repository):
    named = origin(repository)
    assert named["commit"] == git(repository, "rev-parse", "HEAD")
    assert len(named["dvc.lock"]) == 64
    assert named["params.yaml"] == "none"


@pytest.mark.usefixtures("prefect_server")
def test_a_command_that_takes_too_long_is_stopped_and_its_last_lines_quoted(tmp_path):
    command = ["sh", "-c", "echo counting syllables; exec sleep 600"]
    with pytest.raises(RuntimeError, match=r"tag took longer than 0\.001 hours .*: counting syllables"):
        flow(run_command)("tag", command, tmp_path, 0.001)


def test_a_git_that_refuses_is_quoted(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with pytest.raises(BadInput, match="git rev-parse HEAD"):
        git(tmp_path, "rev-parse", "HEAD")

"""Outputs are whole or absent, and a fault ends in one sentence."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.stage import BadInput, stage, whole_file, whole_folder

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "report.json"
    with whole_file(target) as partial:
        partial.write_text("{}")
        assert not target.exists()
    assert target.read_text() == "{}"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_failure_leaves_the_old_output_and_no_partial_one(tmp_path, whole):
    target = tmp_path / "output"
    inside = (lambda path: path / "part") if whole is whole_folder else (lambda path: path)
    with whole(target) as partial:
        inside(partial).write_text("old")
    with pytest.raises(ZeroDivisionError), whole(target) as partial:
        inside(partial).write_text("new")
        raise ZeroDivisionError
    assert inside(target).read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_replaces_the_old_one_entirely_and_sweeps_up_after_a_kill(tmp_path):
    target = tmp_path / "output"
    (tmp_path / ".output.partial").mkdir()
    (tmp_path / ".output.partial" / "left behind").write_text("half")
    for name in ("first", "second"):
        with whole_folder(target) as partial:
            (partial / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


def ended(main, capsys):
    with pytest.raises(SystemExit) as end:
        stage(main)()
    return end.value.code, capsys.readouterr().err


def test_bad_input_is_one_sentence_with_place_problem_and_remedy(capsys):
    def main():
        raise BadInput("data/inbox/poems.csv", "no column 'Poem'", "Name the column in params.yaml")

    status, said = ended(main, capsys)
    assert status == 2
    assert said == "estrofa: test_stage: data/inbox/poems.csv: no column 'Poem'. Name the column in params.yaml\n"


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_no_space_or_permission_names_the_file_and_the_remedy(capsys, fault):
    def main():
        raise OSError(fault, os.strerror(fault), "data/clean/poems.parquet")

    status, said = ended(main, capsys)
    assert status == 2
    assert "data/clean/poems.parquet" in said
    assert os.strerror(fault) in said
    assert said.count("\n") == 1


def test_a_full_disk_is_met_for_real(tmp_path, capsys):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    def main():
        with open("/dev/full", "w") as full:
            full.write("poem")

    status, said = ended(main, capsys)
    assert status == 2
    assert "Free some disk space" in said


def test_a_bug_keeps_its_traceback():
    def main():
        raise KeyError("ours")

    with pytest.raises(KeyError):
        stage(main)()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_stage_leaves_nothing_half_written(tmp_path, sent):
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\nfrom pathlib import Path\nfrom pipeline.common.stage import stage, whole_folder\n"
        "@stage\ndef main():\n    with whole_folder(Path('out')) as partial:\n"
        "        (partial / 'half').write_text('half')\n        print('writing', flush=True)\n        time.sleep(60)\n"
        "main()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, script],
        cwd=tmp_path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(sent)
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 130
    assert said.startswith("estrofa: slow: stopped.")
    assert [path.name for path in tmp_path.iterdir()] == ["slow.py"]

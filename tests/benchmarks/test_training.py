"""The training benchmark gives every contender the same poems and measures them in the same way."""

import math

import pytest

from benchmarks import training
from pipeline import tokenize
from tests.support.made_up import made_up_poems, write_project

NAMES = [name for name in training.CONTENDERS if name != "compiled"]  # which takes a minute


@pytest.fixture
def words(tmp_path, monkeypatch, tiny_bases):
    """The benchmark's command line for a tiny base, in a folder where `tokenize` has run."""
    base = str(tiny_bases["gpt2"])
    write_project(tmp_path, made_up_poems(40), {"base": base, "tokenize.block_size": 256})
    monkeypatch.chdir(tmp_path)
    tokenize.main()
    return ["--base", base, "--tokens", "2500", "--block-size", "256", "--validation", "1"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_contender_trains_on_the_very_tokens_of_the_task(words, name, method):
    if name == "trl":
        pytest.importorskip("trl", reason="only `make bench` installs it")
    arguments = training.parse_arguments([*words, "--method", method, "--mark", "800"])
    task = training.make_task(arguments)
    found = training.run_contender(name, arguments)
    tokens = sum(len(example.input_ids) for example in task.examples)
    if name == "baseline":
        assert found["steps"] == arguments.baseline_steps
        assert 0 < found["tokens"] < tokens
    else:
        assert found["tokens"] == tokens
    counts = [count for count, _ in found["scores"]]
    assert counts == sorted(set(counts))
    assert counts[-1] == found["tokens"]
    assert all(0 < score < math.inf for _, score in found["scores"])


def test_the_table_states_how_many_times_as_fast_ours_is():
    ours = {"tokens": 800, "steps": 4, "seconds": 2.0, "core_seconds": 3.2, "scores": [[800, 1.5]], "peak_memory": 1.0}
    baseline = {**ours, "seconds": 20.0, "warm": (600, 16.0)}
    table = training.table({"ours": {**ours, "warm": (600, 1.6)}, "baseline": baseline}, "full")
    assert "| full | 4 | 800 | 40 | 10.0 | 50 | 4.0 | 1.0 | 1.5000 (800) |" in table

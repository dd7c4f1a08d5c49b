"""The benchmark of a cut vocabulary trains, measures and writes with both vocabularies."""

import argparse

import pytest

from benchmarks import vocabulary
from pipeline import tokenize
from tests.support.made_up import made_up_poems, write_project


def test_whole_and_cut_are_measured_alike(tmp_path, monkeypatch, tiny_bases):
    base = str(tiny_bases["gemma3"])
    write_project(tmp_path, made_up_poems(40, lines=range(4, 6)), {"base": base, "tokenize.block_size": 256})
    monkeypatch.chdir(tmp_path)
    tokenize.main()
    arguments = argparse.Namespace(base=base, method="full", tokens=1500, validation=1, words=6)
    found = {name: vocabulary.measure(name == "cut", arguments) for name in ("whole", "cut")}
    assert found["cut"]["vocabulary"] <= found["whole"]["vocabulary"]
    assert found["cut"]["before"] == pytest.approx(found["whole"]["before"], rel=0.2)
    assert all(report["training"] > 0 and report["writing"] > 0 for report in found.values())
    assert len(vocabulary.table(found).splitlines()) == 11

"""The benchmark of samplings answers the same requests with each of them, beside human poems."""

import pandas as pd

from benchmarks import sampling
from pipeline.common.tables import read_table
from pipeline.evaluate import requests_of
from tests.support.evaluated import working_project


def test_each_sampling_and_human_poems_get_a_row_of_metrics(tmp_path, tiny_bases, mlflow_store):
    with working_project(tmp_path, tiny_bases["llama"], mlflow_store) as params:
        test = read_table(sampling.TOKENS / "test.parquet")
        requests = requests_of(test, params)
        poems = sampling.written(str(sampling.POET), requests, params)
        human = test[["language", "text"]].assign(sampling=sampling.HUMAN, ended=True)
        found = sampling.measured(pd.concat([poems, human]), params)
    assert poems["sampling"].value_counts().unique().tolist() == [len(requests)]
    lines = sampling.table(found).splitlines()
    assert len(lines) == 2 + len(sampling.SAMPLINGS) + 1
    assert lines[-1].startswith("| human | 0% |")

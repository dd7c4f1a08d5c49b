"""The benchmark of samplings writes the same requests with each of them and sets people beside them."""

import pandas as pd

from benchmarks import sampling
from pipeline.common.tables import read_table
from pipeline.evaluate import requests_of
from tests.support.evaluated import working_project


def test_each_sampling_and_people_get_a_row_of_figures(tmp_path, tiny_bases, mlflow_store):
    with working_project(tmp_path, tiny_bases["llama"], mlflow_store) as params:
        test = read_table(sampling.TOKENS / "test.parquet")
        requests = requests_of(test, params)
        poems = sampling.written(str(sampling.POET), requests, params)
        people = test[["language", "text"]].assign(sampling=sampling.PEOPLE, ended=True)
        found = sampling.measured(pd.concat([poems, people]), params)
    assert poems["sampling"].value_counts().unique().tolist() == [len(requests)]
    lines = sampling.table(found).splitlines()
    assert len(lines) == 2 + len(sampling.SAMPLINGS) + 1
    assert lines[-1].startswith("| people | 0% |")

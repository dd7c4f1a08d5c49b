"""The source `hub` on data sets in folders, as `datasets` loads them, with the hub itself out of reach."""

import json

import datasets
import huggingface_hub
import pandas as pd
import pytest

from pipeline.common.params import Scrape
from pipeline.common.stage import BadInput
from pipeline.scrape import scrape

ROWS = pd.DataFrame(
    {
        "Poem": ["The crane swings over\nthe harbour", None, "Al alba\ncruza el puente"],
        "Title": ["Crane", "Nothing", "Puente"],
        "tongue": ["en", "en", "es"],
        "unused": [1, 2, 3],
    }
)
COLUMNS = {"text": "Poem", "title": "Title", "language": "tongue"}


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def run(folder, **values):
    source = {"kind": "hub", "columns": COLUMNS, **values}
    report = scrape(Scrape.model_validate({"sources": {"hub": source}}), folder, folder / "earlier")["hub"]
    lines = (folder / "hub.jsonl").read_text(encoding="utf-8").splitlines()
    return {poem["url"]: poem for poem in map(json.loads, lines)}, report


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_data_set_gives_a_record_a_row_by_the_mapping_of_columns(tmp_path, kind):
    data = tmp_path / "poems"
    data.mkdir()
    for split, rows in (("train", ROWS), ("test", ROWS[:1])):
        path = data / f"{split}.{kind}"
        rows.to_parquet(path) if kind == "parquet" else rows.to_csv(path, index=False)
    poems, report = run(tmp_path, dataset=str(data), licence="CC0")
    assert report == {"poems": 2, "without_poem": 1}
    assert poems[f"{data}/train#1"] == {
        "source": "hub",
        "url": f"{data}/train#1",
        "title": "Crane",
        "author": None,
        "collection": None,
        "year": None,
        "style": None,
        "licence": "CC0",
        "declared_language": "en",
        "text": "The crane swings over\nthe harbour",
    }
    assert poems[f"{data}/train#3"]["declared_language"] == "es"
    assert run(tmp_path, dataset=str(data), split="test")[1] == {"poems": 1, "without_poem": 0}


def fault(folder, **values):
    with pytest.raises(BadInput) as caught:
        run(folder, **values)
    return caught.value


def test_a_data_set_out_of_reach_or_unknown_is_named(tmp_path):
    error = fault(tmp_path, dataset="nobody/no-such-poems")
    assert error.place == "params.yaml: scrape.sources.hub.dataset"
    assert "'nobody/no-such-poems' cannot be loaded" in error.problem
    assert "cannot be loaded" in fault(tmp_path, dataset=str(tmp_path / "absent")).problem


def test_a_split_or_a_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "poems").mkdir()
    ROWS.to_parquet(tmp_path / "poems/train.parquet")
    assert 'Unknown split "dev"' in fault(tmp_path, dataset=str(tmp_path / "poems"), split="dev").problem
    error = fault(tmp_path, dataset=str(tmp_path / "poems"), columns={"text": "poem"})
    assert error.problem == "no column 'poem'; it has 'Poem', 'Title', 'tongue', 'unused'"
    assert "scrape.sources.hub.columns" in error.remedy

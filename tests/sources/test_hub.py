"""The source `hub` on data sets in folders, as `datasets` loads them, and on a hub on loopback that only fails."""

import json
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import datasets
import huggingface_hub
import pandas as pd
import pytest

from pipeline.common.params import Scrape
from pipeline.common.stage import BadInput
from pipeline.scrape import scrape
from pipeline.sources.snapshots import SourceDown

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


@pytest.fixture
def failing_hub(tmp_path, monkeypatch):
    """A hub that answers every request with one status, which the test sets; waits between tries take no time."""
    answer = SimpleNamespace(status=503, requests=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer.requests += 1
            self.send_response(answer.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(huggingface_hub.utils._http.time, "sleep", lambda _: None)
        yield answer
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_hub_at_fault_or_busy_leaves_the_last_poems_in_use(tmp_path, failing_hub, status):
    failing_hub.status = status
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "hub.jsonl").write_text(json.dumps({"text": "The crane swings", "url": "x"}) + "\n", encoding="utf-8")
    poems, report = run(tmp_path, dataset="nobody/poems")
    assert (report["poems"], report["stale"]) == (1, True)
    assert poems["x"]["text"] == "The crane swings"
    assert failing_hub.requests
    shutil.rmtree(earlier)
    assert isinstance(fault(tmp_path, dataset="nobody/poems"), SourceDown)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_data_set_that_the_hub_refuses_is_a_fault_of_the_params(tmp_path, failing_hub, status):
    failing_hub.status = status
    assert not isinstance(fault(tmp_path, dataset="nobody/poems"), SourceDown)
    assert failing_hub.requests


def test_lists_of_lines_nested_columns_and_names_of_languages_are_read(tmp_path):
    folder = tmp_path / "poems"
    folder.mkdir()
    rows = pd.DataFrame({"poem": [{"lines": ["one", "two"], "by": "Ida"}], "language": ["Spanish"]})
    rows.to_parquet(folder / "train.parquet")
    columns = {"text": "poem.lines", "author": "poem.by", "language": "language"}
    [poem] = run(tmp_path, dataset=str(folder), columns=columns)[0].values()
    assert (poem["text"], poem["author"], poem["declared_language"]) == ("one\ntwo", "Ida", "es")

"""Blind comparisons hide who writes until the vote, and each counts once on the versions in MLflow."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from mlflow import MlflowClient

from app.model_pool import LoadedModel
from app.votes import Votes
from pipeline.release.registry import registry
from tests.support.served import metric, new_version, params_of, running, streamed

LINE = "the river keeps its silver"


@pytest.fixture(scope="module")
def api(served_store, tiny_bases):
    new_version("voted", tiny_bases["llama"], "champion")
    new_version("voted", tiny_bases["gemma3"], "challenger")
    with (
        running(params_of("voted", tiny_bases["gpt2"])) as address,
        httpx.Client(base_url=address, timeout=300) as client,
    ):
        yield client


def compared(api, **request):
    """The id of a new comparison, and the text on each side."""
    *events, ballot = streamed(api, "/api/comparisons", first_line=LINE, **request)
    return ballot["id"], {event["side"]: event["text"] for event in events if event["kind"] == "poem"}


def vote(api, comparison, choice):
    return api.post(f"/api/comparisons/{comparison}/vote", json={"choice": choice})


def totals(version):
    """The votes of a version in MLflow, which are the same on it and on its run."""
    client = MlflowClient()
    found = client.get_model_version("voted", version)
    names = ("votes_won", "votes_cast")
    metrics = client.get_run(found.run_id).data.metrics
    assert [metrics.get(name, 0) for name in names] == [int(found.tags.get(name, 0)) for name in names]
    return tuple(int(found.tags.get(name, 0)) for name in names)


def test_a_comparison_does_not_reveal_its_models(api):
    events = streamed(api, "/api/comparisons", first_line=LINE, seed=1)
    assert {key for event in events for key in event} == {"kind", "side", "text", "id"}
    assert "voted" not in str(events)


def test_a_vote_reveals_the_models_and_counts_on_both_versions(api):
    comparison, texts = compared(api, seed=1)
    before = {version: totals(version) for version in ("1", "2")}
    answer = vote(api, comparison, "left").json()
    assert {side["version"] for side in answer.values()} == {"1", "2"}
    for side, won in (("left", 1), ("right", 0)):
        version = answer[side]["version"]
        model = {"1": "champion", "2": "challenger"}[version]
        alone = api.post("/api/poems", json={"first_line": LINE, "seed": 1, "model": model}).json()
        assert alone["text"] == texts[side]
        expected = (before[version][0] + won, before[version][1] + 1)
        assert totals(version) == expected == (answer[side]["votes_won"], answer[side]["votes_cast"])


def test_the_same_vote_again_changes_nothing_and_a_different_one_is_rejected(api):
    comparison, _ = compared(api)
    first = vote(api, comparison, "right")
    counted = metric(api, "estrofa_votes_total"), totals("1"), totals("2")
    assert vote(api, comparison, "right").json() == first.json()
    assert vote(api, comparison, "left").status_code == 409
    assert (metric(api, "estrofa_votes_total"), totals("1"), totals("2")) == counted


def test_neither_counts_as_cast_and_not_as_won(api):
    before = [totals(version) for version in ("1", "2")]
    vote(api, compared(api)[0], "neither")
    assert [totals(version) for version in ("1", "2")] == [(won, cast + 1) for won, cast in before]


def test_an_unknown_comparison_cannot_be_voted_on(api):
    assert vote(api, "made-up", "left").status_code == 404
    assert vote(api, compared(api)[0], "both").status_code == 422


def test_a_base_has_no_count_and_its_opponent_has(api):
    comparison, _ = compared(api, models=["base", "champion"])
    answer = vote(api, comparison, "left").json()
    by_name = {side["name"]: side for side in answer.values()}
    assert by_name.pop("voted")["votes_cast"] == totals("1")[1]
    [base] = by_name.values()
    assert base["votes_won"] is base["votes_cast"] is None


def test_a_vote_is_counted_once_when_the_registry_is_back(api, served_store, monkeypatch):
    comparison, _ = compared(api)
    before = [totals(version) for version in ("1", "2")]
    with monkeypatch.context() as unavailable:
        unavailable.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        rejected = vote(api, comparison, "neither")
        assert rejected.status_code == 503
        assert rejected.json()["detail"].startswith("Your vote was not counted because the registry does not answer.")
    assert vote(api, comparison, "neither").status_code == 200
    assert [totals(version) for version in ("1", "2")] == [(won, cast + 1) for won, cast in before]


def test_a_vote_that_was_not_counted_may_be_cast_differently(api, monkeypatch):
    comparison, _ = compared(api)
    before = metric(api, "estrofa_votes_total")
    with monkeypatch.context() as unavailable:
        unavailable.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        assert vote(api, comparison, "left").status_code == 503
    answer = vote(api, comparison, "right")
    assert answer.status_code == 200
    assert metric(api, "estrofa_votes_total") == before + 1


def test_a_slow_registry_holds_up_votes_and_nothing_else(api, monkeypatch):
    asked, go_on = threading.Event(), threading.Event()

    @contextmanager
    def slow_registry():
        asked.set()
        go_on.wait(60)
        with registry() as client:
            yield client

    comparison, _ = compared(api)
    monkeypatch.setattr("app.votes.registry", slow_registry)
    with ThreadPoolExecutor() as threads:
        voting = threads.submit(vote, api, comparison, "left")
        try:
            assert asked.wait(60)
            compared(api)
            assert api.get("/health").status_code == 200
            assert not voting.done()
        finally:
            go_on.set()
        assert voting.result().status_code == 200


def test_a_comparison_does_not_keep_its_models_in_memory():
    votes = Votes()
    models = {side: LoadedModel(side, "1", None, None, None, batch_size=1) for side in ("left", "right")}
    votes.open(models)
    kept = [weakref.ref(model) for model in models.values()]
    models.clear()
    gc.collect()
    assert [model() for model in kept] == [None, None]

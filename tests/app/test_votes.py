"""Blind comparisons hide who writes until the vote, and each counts once on the versions in MLflow."""

import httpx
import pytest
from mlflow import MlflowClient

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


def compared(api, **wish):
    """The id of a new comparison, and the text on each side."""
    *events, ballot = streamed(api, "/api/comparisons", first_line=LINE, **wish)
    return ballot["id"], {event["side"]: event["text"] for event in events if event["kind"] == "poem"}


def vote(api, comparison, choice):
    return api.post(f"/api/comparisons/{comparison}/vote", json={"choice": choice})


def totals(version):
    """What MLflow says of a version, on it and on its run."""
    client = MlflowClient()
    found = client.get_model_version("voted", version)
    names = ("votes_won", "votes_cast")
    figures = client.get_run(found.run_id).data.metrics
    assert [figures.get(name, 0) for name in names] == [int(found.tags.get(name, 0)) for name in names]
    return tuple(int(found.tags.get(name, 0)) for name in names)


def test_nothing_in_a_comparison_tells_who_writes(api):
    events = streamed(api, "/api/comparisons", first_line=LINE, seed=1)
    assert {key for event in events for key in event} == {"kind", "side", "text", "id"}
    assert "voted" not in str(events)


def test_a_vote_tells_who_wrote_and_counts_on_both_versions(api):
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


def test_the_same_vote_again_changes_nothing_and_another_is_refused(api):
    comparison, _ = compared(api)
    first = vote(api, comparison, "right")
    counted = metric(api, "estrofa_votes_total"), totals("1"), totals("2")
    assert vote(api, comparison, "right").json() == first.json()
    assert vote(api, comparison, "left").status_code == 409
    assert (metric(api, "estrofa_votes_total"), totals("1"), totals("2")) == counted


def test_neither_is_a_vote_that_nobody_wins(api):
    before = [totals(version) for version in ("1", "2")]
    vote(api, compared(api)[0], "neither")
    assert [totals(version) for version in ("1", "2")] == [(won, cast + 1) for won, cast in before]


def test_a_comparison_nobody_was_shown_cannot_be_voted_on(api):
    assert vote(api, "made-up", "left").status_code == 404
    assert vote(api, compared(api)[0], "both").status_code == 422


def test_a_base_keeps_no_count_and_its_rival_does(api):
    comparison, _ = compared(api, models=["base", "champion"])
    answer = vote(api, comparison, "left").json()
    by_name = {side["name"]: side for side in answer.values()}
    assert by_name.pop("voted")["votes_cast"] == totals("1")[1]
    [base] = by_name.values()
    assert base["votes_won"] is base["votes_cast"] is None


def test_a_vote_is_counted_once_where_the_registry_comes_back(api, served_store, monkeypatch):
    comparison, _ = compared(api)
    before = [totals(version) for version in ("1", "2")]
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        refused = vote(api, comparison, "neither")
        assert refused.status_code == 503
        assert "does not answer" in refused.json()["detail"]
    assert vote(api, comparison, "neither").status_code == 200
    assert [totals(version) for version in ("1", "2")] == [(won, cast + 1) for won, cast in before]

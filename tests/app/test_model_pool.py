"""What is served follows the registry: a new champion without losing a poem, the old one if the new fails to load."""

import json
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from tests.support.made_up import wait_until
from tests.support.served import metric, new_version, params_of, running, streamed

LINE = "the river keeps its silver"


def promote(name, version):
    MlflowClient().set_registered_model_alias(name, "champion", version)


def writer(api, **request):
    return api.post("/api/poems", json={"first_line": LINE, **request}).json()["model"]


def status(api, role="champion"):
    return next(each for each in api.get("/ready").json()["models"] if each["role"] == role)


def client(address):
    return httpx.Client(base_url=address, timeout=300)


def test_with_no_champion_yet_the_challenger_is_served_and_with_neither_the_latest_folder(
    served_store, tiny_bases, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    params = params_of("young", tiny_bases["gpt2"])
    with running(params) as address, client(address) as api:
        assert api.get("/health").status_code == 200
        assert api.get("/ready").status_code == 503
        refused = api.post("/api/poems", json={})
        assert refused.status_code == 404
        assert "No version of young is champion yet" in refused.json()["detail"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models/poet").symlink_to(tiny_bases["gpt2"])
    with running(params, poll_seconds=0.1) as address, client(address) as api:
        local = writer(api)
        assert local["name"] == "poet"
        assert local["version"].startswith("sha256:")
        number = new_version("young", tiny_bases["llama"], "challenger")
        wait_until(lambda: writer(api) == {"name": "young", "version": number})


def test_a_folder_named_in_the_environment_is_served_whatever_the_registry_says(served_store, tiny_bases):
    new_version("overruled", tiny_bases["llama"], "champion")
    with running(params_of("overruled", tiny_bases["gpt2"]), model=tiny_bases["gemma3"]) as address:
        assert writer(client(address))["name"] == tiny_bases["gemma3"].name


def test_a_new_champion_takes_over_and_the_old_one_finishes_its_poems(served_store, tiny_bases):
    old = new_version("heirs", tiny_bases["llama"], "champion")
    new = new_version("heirs", tiny_bases["gemma3"])
    params = params_of("heirs", tiny_bases["gpt2"])
    with running(params, poll_seconds=0.1) as address, client(address) as api:
        request = {"first_line": LINE, "seed": 3, "max_words": 300, "temperature": 2.0}
        undisturbed = streamed(api, **request)[-1]
        with api.stream("POST", "/api/poems/stream", json=request) as response:
            chunks = response.iter_bytes()
            begun = next(chunks)
            promote("heirs", new)
            wait_until(lambda: writer(api, max_words=3)["version"] == new)
            events = [json.loads(line) for line in (begun + b"".join(chunks)).split(b"\n") if line]
        assert events[-1] == undisturbed
        assert events[-1]["model"]["version"] == old
        assert metric(api, f'estrofa_serving{{name="heirs",role="champion",version="{new}"}}') == 1
        assert metric(api, f'estrofa_serving{{name="heirs",role="champion",version="{old}"}}') == 0


@pytest.mark.parametrize("damage", ["an artifact is gone", "it was altered", "it is no model"])
def test_a_champion_that_does_not_load_leaves_the_old_one_in_place_and_is_reported(
    served_store, tiny_bases, damage, tmp_path, monkeypatch
):
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path / "cache"))  # where no other test has fetched these weights
    name = f"broken-{damage[-4:].strip()}"
    good = new_version(name, tiny_bases["llama"], "champion")
    if damage == "it is no model":
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty/config.json").write_text("{}")
        bad = new_version(name, tmp_path / "empty")
    else:
        bad = new_version(name, tiny_bases["gemma3"])
        source = MlflowClient().get_model_version(name, bad).source.removeprefix("file://")
        weights = Path(source) / "artifacts/poet/model.safetensors"
        if damage == "it was altered":
            weights.write_bytes(weights.read_bytes() + b"\0")
        else:
            weights.unlink()
    with running(params_of(name, tiny_bases["gpt2"]), poll_seconds=0.1) as address, client(address) as api:
        promote(name, bad)
        wait_until(lambda: status(api)["error"])
        assert api.get("/ready").status_code == 200
        assert status(api)["model"]["version"] == writer(api)["version"] == good
        assert metric(api, 'estrofa_outdated{role="champion"}') == 1
        assert metric(api, 'estrofa_load_failures_total{role="champion"}') >= 1
        promote(name, good)
        wait_until(lambda: not status(api)["error"])
        assert metric(api, 'estrofa_outdated{role="champion"}') == 0


def test_an_unavailable_registry_is_waited_for(served_store, tiny_bases, monkeypatch):
    number = new_version("patient", tiny_bases["llama"], "champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with running(params_of("patient", tiny_bases["gpt2"]), poll_seconds=0.1) as address, client(address) as api:
        assert api.get("/ready").status_code == 503
        assert "does not answer" in status(api)["error"]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", served_store)
        wait_until(lambda: api.get("/ready").status_code == 200)
        assert writer(api)["version"] == number
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        wait_until(lambda: status(api)["error"])
        assert writer(api)["version"] == number


def test_the_last_champion_stays_when_its_alias_is_removed(served_store, tiny_bases):
    champion = new_version("unnamed", tiny_bases["llama"], "champion")
    new_version("unnamed", tiny_bases["gemma3"], "challenger")
    with running(params_of("unnamed", tiny_bases["gpt2"]), poll_seconds=0.1) as address, client(address) as api:
        MlflowClient().delete_registered_model_alias("unnamed", "champion")
        wait_until(lambda: status(api)["error"])
        assert status(api)["error"].endswith(f"Version {champion} stays until you set it again.")
        assert metric(api, 'estrofa_outdated{role="champion"}') == 1
        assert writer(api)["version"] == champion
        promote("unnamed", champion)
        wait_until(lambda: not status(api)["error"])


def test_a_champion_that_does_not_load_is_a_503_in_one_plain_sentence(served_store, tiny_bases, tmp_path, caplog):
    (tmp_path / "config.json").write_text("{}")
    with running(params_of("unloadable", tiny_bases["gpt2"]), model=tmp_path) as address, client(address) as api:
        unavailable = api.post("/api/poems", json={})
        assert unavailable.status_code == 503
        assert unavailable.json()["detail"].startswith("The champion model is unavailable: ")
        assert str(tmp_path) not in unavailable.text + api.get("/ready").text
    assert "cannot load the champion" in caplog.text


def test_two_roles_of_one_version_share_its_weights(served_store, tiny_bases):
    number = new_version("twins", tiny_bases["llama"], "challenger")
    promote("twins", number)
    with running(params_of("twins", tiny_bases["gpt2"])) as address, client(address) as api:
        assert writer(api) == writer(api, model="challenger")
        refused = api.post("/api/comparisons", json={"first_line": LINE})
        assert refused.status_code == 409
        assert "Choose two different models" in refused.json()["detail"]

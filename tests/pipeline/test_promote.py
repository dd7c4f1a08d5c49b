"""The champion changes when every gate holds, goes back on request, and stays when anything is in doubt."""

import re
import shutil
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
import torch
from mlflow import MlflowClient
from transformers import AutoModelForCausalLM

from pipeline import evaluate, promote, register
from pipeline.common.params import load_params
from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report
from pipeline.common.tracking import tracking_uri
from pipeline.metrics.bootstrap import bootstrap, mean
from pipeline.release.registry import alias_version
from tests.support.evaluated import working_project
from tests.support.made_up import changed_params

LAX = {
    "not_worse": {"bits_per_byte": 1.0},
    "at_least": {"language_adherence": 0},
    "at_most": {"longest_copied_run": 999},
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory, tiny_bases, mlflow_store):
    """Three registered versions, the last one far worse; their project is the working directory."""
    with working_project(tmp_path_factory.mktemp("promote"), tiny_bases["llama"], mlflow_store):
        evaluate.main()
        numbers = []
        for noise in (0.0, 0.0, 1.0):
            model = AutoModelForCausalLM.from_pretrained(register.POET)
            with torch.no_grad():
                for weight in model.parameters():
                    weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * noise)
            model.save_pretrained(register.POET)
            register.main()
            numbers.append(read_report(register.REPORT)["version"])
        yield numbers


@pytest.fixture
def client(versions, tmp_path, monkeypatch):
    """A registry without any champion, past or present, and with locks of its own."""
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path / "cache"))
    client = MlflowClient(tracking_uri())
    client.delete_registered_model_alias("estrofa", "champion")
    client.set_registered_model_tag("estrofa", promote.HISTORY_TAG, "")
    return client


def params_with(**gates):
    return load_params().model_copy(update={"promote": changed_params({}).promote.model_copy(update=LAX | gates)})


def champion():
    found = alias_version("estrofa", "champion")
    return found and found.version


def test_the_first_champion_needs_only_the_absolute_gates(client, versions):
    decision = promote.promote(params_with(), versions[0])
    assert decision.promoted
    assert champion() == versions[0]
    assert not any("champion" in reason for reason in decision.reasons)


def test_the_default_is_the_challenger(client, versions):
    assert promote.promote(params_with()).version == versions[-1]


def test_a_version_as_good_as_the_champion_takes_its_place_and_says_why(client, versions):
    promote.promote(params_with(), versions[0])
    decision = promote.promote(params_with(not_worse={"bits_per_byte": 0.0}), versions[1])
    assert decision.promoted
    assert champion() == versions[1]
    version = client.get_model_version("estrofa", str(versions[1]))
    assert version.tags["promotion"] == "promoted"
    assert "holds: bits per byte in Spanish" in version.tags["promotion_reasons"]
    assert "champion" in version.description
    assert version.description.startswith("A poetry model for English and Spanish: ")


def test_a_worse_version_is_refused_with_both_values_and_their_intervals(client, versions):
    promote.promote(params_with(), versions[0])
    decision = promote.promote(params_with(not_worse={"bits_per_byte": 0.02}), versions[2])
    assert not decision.promoted
    assert champion() == versions[0]
    reasons = client.get_model_version("estrofa", str(versions[2])).tags["promotion_reasons"]
    number = r"\d+\.\d{3}"
    whole = rf"{number} \[{number}, {number}\]"
    why = rf"worse by {whole}, more than the 0\.02 allowed"
    assert re.search(f"FAILS: bits per byte in Spanish: {whole}, champion {whole}; {why}", reasons)


def decided(name, ours, theirs, human=None, allowed=0.1):
    """What the gates say of a metric, given its values for challenger and champion on the same six requests."""
    params = params_with(not_worse={name: allowed}, at_least={}, at_most={})
    params = params.model_copy(update={"languages": {"en": "English"}})
    poems = {"challenger": ours, "champion": theirs} | ({"human": human} if human else {})
    [gate] = promote.gates(params, {who: {"en": {name: bootstrap(values, mean)}} for who, values in poems.items()})
    return gate


UNEVEN = [0.0, 0.9, 0.1, 0.8, 0.2, 0.7]  # poems that differ far more than the two writers do


def test_a_difference_on_every_request_decides_however_unlike_the_requests_are(versions):
    worse = [value + 0.12 for value in UNEVEN]
    holds, reason = decided("foreign_lines", worse, UNEVEN)
    assert not holds
    assert "worse by 0.120 [0.120, 0.120], more than the 0.1 allowed" in reason
    holds, reason = decided("foreign_lines", UNEVEN, worse)
    assert holds
    assert "better by 0.120 [0.120, 0.120], within the 0.1 allowed" in reason


def test_a_value_that_may_be_worse_by_chance_does_not_fail_and_says_so(versions):
    holds, reason = decided("foreign_lines", [0.9, 0.0, 0.8, 0.1, 0.9, 0.8], UNEVEN)
    assert holds
    assert re.search(r"worse by 0\.133 \[-0\.\d+, 0\.\d+\], undecided", reason)


def test_more_is_better_where_the_metric_says_so(versions):
    assert not decided("ended", [0.0] * 6, [1.0] * 6)[0]
    assert decided("ended", [1.0] * 6, [0.0] * 6)[0]


def test_where_human_poems_are_the_goal_the_one_closer_to_them_is_better(versions):
    human, close, more = [0.5] * 6, [0.4] * 6, [0.9] * 6
    holds, reason = decided("rhyme_density", close, more, human)
    assert holds
    assert "human 0.500 [0.500, 0.500]; closer by 0.300 [0.300, 0.300]" in reason
    holds, reason = decided("rhyme_density", more, close, human)
    assert not holds
    assert "further by 0.300 [0.300, 0.300], more than the 0.1 allowed" in reason
    assert not decided("rhyme_density", more, close)[0]  # without human poems there is nothing to be close to


def test_a_gate_is_skipped_in_a_language_that_has_no_such_metric(versions):
    params = params_with(not_worse={}, at_least={"assonance_density": 0.1}, at_most={})
    estimates = {"challenger": {"en": {}, "es": {"assonance_density": bootstrap([0.2], mean)}}}
    assert promote.gates(params, estimates) == [
        (True, "holds: assonance in Spanish: 0.200 [0.200, 0.200], at least 0.1")
    ]
    with pytest.raises(BadInput, match=r"promote: assonance_density: it could not be measured in any language"):
        promote.gates(params, {"challenger": {"en": {}, "es": {}}})


def test_a_version_without_a_metric_that_the_champion_has_fails(versions):
    params = params_with(not_worse={"loops": 0.5}, at_least={}, at_most={})
    params = params.model_copy(update={"languages": {"en": "English"}})
    found = {"challenger": {"en": {}}, "champion": {"en": {"loops": bootstrap([0.0], mean)}}}
    assert promote.gates(params, found) == [
        (False, "FAILS: poems stuck in a loop in English: not measured, champion 0.000 [0.000, 0.000]")
    ]


def test_an_absolute_limit_refuses_even_where_there_is_no_champion(client, versions):
    assert not promote.promote(params_with(at_least={"distinct_1": 1.01}), versions[0]).promoted
    assert champion() is None


def test_a_gate_on_an_unknown_metric_is_named_before_any_work(client, versions):
    with pytest.raises(BadInput, match=r"promote\.at_least\.beauty: no such metric\. Choose from bits_per_byte"):
        promote.promote(params_with(at_least={"beauty": 1}), versions[0])
    assert champion() is None


def test_of_two_promotions_at_once_one_is_refused(client, versions, monkeypatch):
    refused = []

    def second():
        try:
            promote.promote(params_with(), versions[1])
        except BadInput as error:
            refused.append(str(error))

    measure = promote.measure

    def while_measuring(*arguments):
        other = Thread(target=second)
        other.start()
        other.join()
        return measure(*arguments)

    monkeypatch.setattr(promote, "measure", while_measuring)
    assert promote.promote(params_with(), versions[0]).promoted
    assert "another promotion is under way" in refused[0]
    assert champion() == versions[0]


def test_a_champion_that_changed_while_it_was_measured_stays(client, versions, monkeypatch):
    measure = promote.measure

    def somebody_moves_the_alias(*arguments):
        client.set_registered_model_alias("estrofa", "champion", versions[2])
        return measure(*arguments)

    monkeypatch.setattr(promote, "measure", somebody_moves_the_alias)
    with pytest.raises(BadInput, match=rf"the champion changed to {versions[2]} during the measurement"):
        promote.promote(params_with(), versions[0])
    assert champion() == versions[2]


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_version_whose_files_are_not_those_registered_is_refused(client, versions, damage):
    promote.promote(params_with(), versions[0])
    source = client.get_model_version_download_uri("estrofa", str(versions[1]))
    weights = Path(unquote(urlsplit(source).path)) / "artifacts" / "poet" / "model.safetensors"
    kept = shutil.copy(weights, weights.parents[3] / "kept")
    try:
        if damage == "missing":
            weights.unlink()
        else:
            weights.write_bytes(weights.read_bytes()[:-4] + b"evil")
        with pytest.raises(BadInput, match=r"its file model\.safetensors (is missing|was altered)"):
            promote.promote(params_with(), versions[1])
    finally:
        shutil.move(kept, weights)
    assert champion() == versions[0]
    assert client.get_model_version("estrofa", str(versions[1])).tags["promotion"] == "refused"


def test_a_version_made_with_other_test_poems_is_refused(client, versions):
    kept = client.get_model_version("estrofa", str(versions[1])).tags["test_split"]
    client.set_model_version_tag("estrofa", str(versions[1]), "test_split", "0" * 64)
    try:
        with pytest.raises(BadInput, match="its test split is not the one in data/tokens"):
            promote.promote(params_with(), versions[1])
    finally:
        client.set_model_version_tag("estrofa", str(versions[1]), "test_split", kept)
    assert champion() is None


def test_a_champion_that_may_have_seen_the_test_poems_is_not_compared(client, versions):
    promote.promote(params_with(), versions[0])
    params = params_with()
    other = params.model_copy(update={"tokenize": params.tokenize.model_copy(update={"seed": 1})})
    with pytest.raises(BadInput, match=r"has another split \(seed 0, share 0\.12, clusters 0\.3; here seed 1"):
        promote.promote(other, versions[1])
    assert champion() == versions[0]


def test_an_unavailable_registry_is_named(client, versions, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(BadInput, match="the registry does not answer"):
        promote.promote(params_with())
    with pytest.raises(BadInput, match="the registry does not answer"):
        promote.rollback(params_with(), "a test")


def test_rollback_goes_back_one_champion_after_the_other(client, versions):
    for version in versions:
        promote.promote(params_with(not_worse={}), version)
    assert champion() == versions[2]
    promote.rollback(params_with(), "its poems rhyme badly")
    assert champion() == versions[1]
    left = client.get_model_version("estrofa", str(versions[2]))
    assert left.tags["promotion_reasons"] == "- rolled back: its poems rhyme badly"
    promote.rollback(params_with(), "so do these")
    assert champion() == versions[0]
    with pytest.raises(BadInput, match="no champion before it is on record"):
        promote.rollback(params_with(), "and these")
    assert champion() == versions[0]


def test_a_champion_made_by_hand_is_rolled_back_to_the_last_one_on_record(client, versions):
    promote.promote(params_with(), versions[0])
    client.set_registered_model_alias("estrofa", "champion", versions[2])
    promote.rollback(params_with(), "a slip")
    assert champion() == versions[0]


def test_a_champion_set_by_hand_is_the_one_that_is_measured_against(client, versions):
    client.set_registered_model_alias("estrofa", "champion", versions[2])
    decision = promote.promote(params_with(not_worse={"bits_per_byte": 0.0}), versions[0])
    assert decision.promoted
    promote.rollback(params_with(), "a test")
    assert champion() == versions[2]


def test_promoting_the_champion_is_refused(client, versions):
    promote.promote(params_with(), versions[0])
    with pytest.raises(BadInput, match="it is the champion already"):
        promote.promote(params_with(), versions[0])

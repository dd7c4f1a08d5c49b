"""By default the commands use the registry's champion, or else the challenger; an export has the version's metrics."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard
from mlflow import MlflowClient

from app.command import main
from app.terminal import find_model
from pipeline import evaluate, register
from pipeline.common.params import load_params
from pipeline.common.tables import read_report
from pipeline.release.model_card import model_card
from pipeline.release.registry import leading_version
from tests.support.evaluated import working_project


@pytest.fixture(scope="module")
def versions(tmp_path_factory, tiny_bases, mlflow_store):
    """Two versions of one model; the later one is the challenger. Their project is the working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESTROFA_CACHE", str(tmp_path_factory.mktemp("cache")))
        with working_project(tmp_path_factory.mktemp("chosen"), tiny_bases["llama"], mlflow_store) as params:
            (register.POET / "README.md").write_text(model_card(params, {}, {}), encoding="utf-8")
            evaluate.main()
            numbers = []
            for _ in range(2):
                register.main()
                numbers.append(read_report(register.REPORT)["version"])
            yield numbers


def found(model: str | None) -> int | None:
    folder, version = find_model(model, load_params())
    assert (folder / "model.safetensors").exists()
    return version and int(version.version)


@pytest.mark.slow
def test_a_model_is_found_by_role_number_alias_or_folder(versions):
    first, second = versions
    client = MlflowClient()
    assert found(None) == second  # there is no champion
    client.set_registered_model_alias("estrofa", "champion", str(first))
    try:
        assert found(None) == first
    finally:
        client.delete_registered_model_alias("estrofa", "champion")
    assert found("challenger") == second
    assert found(str(first)) == first
    assert found(str(register.POET)) is None


@pytest.mark.slow
def test_the_commands_write_with_it_and_export_it_with_its_metrics(versions, tmp_path):
    written = CliRunner().invoke(main, ["write", "the river", "--max-words", "12", "--seed", "1"])
    assert written.stdout.startswith("the river")
    exported = CliRunner().invoke(main, ["export", str(tmp_path / "out")])
    assert exported.exit_code == 0, exported.output
    card = ModelCard.load(Path(tmp_path / "out" / "README.md"))
    assert "| bits per byte | es |" in card.text


@pytest.mark.slow
def test_the_champion_has_the_alias_that_params_name(versions):
    first, second = versions
    client, params = MlflowClient(), load_params()
    client.set_registered_model_alias("estrofa", "laureate", str(first))
    try:
        assert int(leading_version(params).version) == second
        laureate = params.promote.model_copy(update={"alias": "laureate"})
        assert int(leading_version(params.model_copy(update={"promote": laureate})).version) == first
    finally:
        client.delete_registered_model_alias("estrofa", "laureate")

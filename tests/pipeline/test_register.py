"""A registered version has a description, loads in any folder, writes poems, and names what it cannot do."""

import os
import subprocess
import sys

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline import evaluate, register
from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report
from tests.support.evaluated import working_project
from tests.support.made_up import ROOT, changed_params


@pytest.fixture(scope="module")
def registered(tmp_path_factory, tiny_bases, mlflow_store):
    """The report of the stage, after it ran in a project that is the working directory."""
    with working_project(tmp_path_factory.mktemp("registered"), tiny_bases["llama"], mlflow_store):
        evaluate.main()
        register.main()
        yield read_report(register.REPORT)


@pytest.fixture(scope="module")
def poet(registered):
    return mlflow.pyfunc.load_model("models:/estrofa@challenger")


def asked(**columns):
    return pd.DataFrame({"prompt": ["the river keeps"], "language": ["en"], **columns})


def test_the_report_names_the_version_and_the_run_that_trained_it(registered):
    version = MlflowClient().get_model_version_by_alias("estrofa", "challenger")
    run_id = read_report(evaluate.POET.parent / "run.json")["run_id"]
    assert registered == {"model": "estrofa", "version": int(version.version), "alias": "challenger", "run_id": run_id}


def test_a_version_is_described_and_tagged(registered):
    version = MlflowClient().get_model_version("estrofa", str(registered["version"]))
    assert {"base", "method", "licence", "git_commit", "dvc_lock_sha256", "data_md5"} <= set(version.tags)
    report = read_report(evaluate.REPORT)["values"]["bits_per_byte"]
    base, tuned = report["base"]["es"], report["tuned"]["es"]
    assert f"| bits per byte | es | {base:.3f} | {tuned:.3f} |  |" in version.description
    assert version.description.startswith("A poetry model for English and Spanish: ")
    assert "English, asked for" in version.description
    assert len(version.description) <= 5000


def test_the_description_of_a_quantized_base_says_so():
    described = register.description(changed_params({"base": "gemma-3-270m"}), {"values": {}}, [])
    assert "gemma-3-270m (4-bit GGUF weights, Q4_K_M, read back to bfloat16; not the original weights)" in described


def test_a_version_loads_in_another_folder_and_writes_a_poem(registered, tmp_path, mlflow_store):
    code = (
        "import mlflow, pandas; "
        "poet = mlflow.pyfunc.load_model('models:/estrofa@challenger'); "
        "import pipeline; print(pipeline.__file__); "
        "print(poet.predict(pandas.DataFrame({'prompt': ['el río'], 'language': ['es']}))['poem'][0])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"MLFLOW_TRACKING_URI": mlflow_store, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    module, first_line, *_ = done.stdout.splitlines()
    assert not module.startswith(str(ROOT))  # the code that travels with the version, not the repository's
    assert first_line.startswith("el río")


def test_a_seed_gives_the_same_poem_in_any_batch(poet):
    [alone] = poet.predict(asked(seed=[7]))["poem"]
    both = asked(seed=[3]).merge(asked(seed=[7]), how="outer")
    assert poet.predict(both)["poem"].tolist()[both["seed"].tolist().index(7)] == alone
    assert poet.predict(asked(seed=[8]))["poem"][0] != alone


def test_every_column_of_the_signature_has_an_effect(poet):
    plain = poet.predict(asked())["poem"][0]
    changes = {"author": "Nobody", "style": "ballad", "title": "Stones", "temperature": 3.0, "top_p": 0.1, "top_k": 2}
    for name, value in changes.items():
        assert poet.predict(asked(**{name: [value]}))["poem"][0] != plain, name
    assert len(poet.predict(asked(max_words=[6]))["poem"][0].split()) <= 6


def test_a_null_takes_the_default(poet):
    nulls = asked(author=[None], temperature=[None], seed=[0]).astype({"temperature": float, "author": object})
    assert poet.predict(nulls)["poem"][0] == poet.predict(asked(seed=[0]))["poem"][0]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
@pytest.mark.parametrize("column", ["top_k", "max_words", "stanzas", "seed"])
def test_a_table_gives_a_number_in_one_row_and_none_in_another(poet, column, missing):
    table = pd.concat([asked(max_words=[8]), asked(max_words=[8])], ignore_index=True).astype({"max_words": object})
    table[column] = [5, missing]
    given, default = poet.predict(table)["poem"]
    usual = {"max_words": [20 if column == "max_words" else 8]}  # as the project's params say
    assert given == poet.predict(asked(**({"seed": [0], "max_words": [8]} | {column: [5]})))["poem"][0]
    assert default == poet.predict(asked(seed=[1], **usual))["poem"][0]


@pytest.mark.parametrize("dtype", ["int64", "int32", "Int64", "float64", "float32", "object"])
def test_a_number_may_come_in_any_type_that_holds_it(poet, dtype):
    plain = poet.predict(asked(seed=[7], top_k=[2]))["poem"][0]
    assert poet.predict(asked(seed=[7], top_k=[2]).astype({"seed": dtype, "top_k": dtype}))["poem"][0] == plain


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("language", "fr", r"row 0: language: 'fr' is not one this model writes\. Choose from en \(English\)"),
        ("top_p", 1.5, r"row 0: top_p: 1\.5 is not allowed"),
        ("max_words", 0, r"row 0: max_words: 0 is not allowed"),
        ("top_k", 2.5, r"row 0: top_k: 2\.5 is not an integer"),
        ("seed", float("inf"), r"row 0: seed: inf is not an integer"),
        ("prompt", "rain " * 30, r"30 words leave no room"),
    ],
)
def test_a_request_the_model_cannot_meet_is_named(poet, column, value, message):
    with pytest.raises(MlflowException, match=message) as refused:
        poet.predict(asked().assign(**{column: [value]}))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"  # which a server answers with status 400


def test_a_missing_column_is_named(poet):
    with pytest.raises(MlflowException, match="language"):
        poet.predict(pd.DataFrame({"prompt": ["rain"]}))


def test_registering_again_makes_the_next_version_and_moves_the_alias(registered):
    register.main()
    assert read_report(register.REPORT)["version"] == registered["version"] + 1
    alias = MlflowClient().get_model_version_by_alias("estrofa", "challenger")
    assert int(alias.version) == registered["version"] + 1


def test_requirements_are_pinned_as_in_the_lock(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text("# made\ntorch==2.13.0\nruamel.yaml==0.18.1\n")
    assert register.pinned(("ruamel.yaml", "torch"), lock) == ["ruamel.yaml==0.18.1", "torch==2.13.0"]
    with pytest.raises(BadInput, match="no pin of transformers"):
        register.pinned(("transformers",), lock)
    assert len(register.pinned(register.REQUIREMENTS, ROOT / "requirements.txt")) == len(register.REQUIREMENTS)


def test_the_data_is_identified_by_dvcs_hash(tmp_path):
    lock = tmp_path / "dvc.lock"
    assert register.data_version(lock) == "none"
    lock.write_text("schema: '2.0'\nstages:\n  tag:\n    outs:\n    - path: data/tagged\n      md5: abc.dir\n")
    assert register.data_version(lock) == "abc.dir"


def test_without_an_evaluation_the_stage_says_what_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        register.main()
    assert "models/poet: not found. Run `make run`" in capsys.readouterr().err

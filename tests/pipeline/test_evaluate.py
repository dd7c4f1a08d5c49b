"""The stage *evaluate* on tiny models: the same requests for both, the same metrics for both and for human poems."""

from collections import Counter
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from pipeline import evaluate, register
from pipeline.common.tables import read_report, read_table
from pipeline.metrics import measure
from pipeline.metrics.registry import METRICS
from pipeline.metrics.samples import Sample, read_samples, samples_markdown
from pipeline.release.registry import MANIFEST_TAG
from tests.support.evaluated import working_project
from tests.support.made_up import changed_params, made_up_poem


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, tiny_bases, mlflow_store):
    """The params of a project in which the stage has run, and which is the working directory."""
    with working_project(tmp_path_factory.mktemp("evaluated"), tiny_bases["gemma3"], mlflow_store) as params:
        evaluate.main()
        yield params


def test_both_models_and_human_poems_have_every_metric_in_every_language(evaluated):
    report = read_report(evaluate.REPORT)["values"]
    everywhere = {"language_adherence", "seq_rep_4", "loops", "ended", "distinct_2", "self_bleu", "longest_copied_run"}
    for name in {*everywhere, "nearest_similarity", "words_per_line_distance"}:
        assert list(report[name]) == ["base", "tuned", "human"]
        assert all(list(languages) == ["en", "es"] for languages in report[name].values())
    assert list(report["bits_per_byte"]) == ["base", "tuned"]
    assert all(list(languages) == ["en", "es"] for languages in report["bits_per_byte"].values())
    columns = {field.name for field in measure.POEM_METRICS}
    # A single style and a handful of poems per author are too little for a classifier.
    assert columns - set(report) == {"author_accuracy", "style_accuracy"}


def test_every_metric_but_distinct_n_has_an_interval_around_its_value(evaluated):
    report = read_report(evaluate.REPORT)
    intervals = report["intervals"]
    for name, writers in report["values"].items():
        for writer, languages in writers.items():
            for language, value in languages.items():
                if not name.startswith("distinct"):
                    low, high = intervals[name][writer][language]
                    assert low <= high
                    assert name.endswith("distance") or low - 1e-4 <= value <= high + 1e-4


def test_human_poems_have_an_end_and_lines_as_long_as_other_human_poems(evaluated):
    report = read_report(evaluate.REPORT)["values"]
    assert report["ended"]["human"] == {"en": 1, "es": 1}
    assert report["words_per_line_distance"]["human"] == {"en": 0, "es": 0}  # all made of six words a line
    assert report["words_per_line_distance"]["base"]["en"] > 0


def test_the_plot_has_a_row_for_each_metric_writer_and_language_with_its_interval(evaluated):
    table = pd.read_csv(evaluate.PLOT)
    report = read_report(evaluate.REPORT)
    values, intervals = report["values"], report["intervals"]
    assert len(table) == sum(len(languages) for writers in values.values() for languages in writers.values())
    rows = table.set_index(["metric", "writer", "language"])
    row = rows.loc[("Bits per byte", "tuned", "es")]
    assert row["value"] == values["bits_per_byte"]["tuned"]["es"]
    assert [row["low"], row["high"]] == intervals["bits_per_byte"]["tuned"]["es"]
    assert rows.loc[("Distinct words", "human", "en"), ["low", "high"]].isna().all()


def test_the_report_says_what_the_base_is_and_how_much_better_tuned_is(evaluated):
    report = read_report(evaluate.REPORT)
    assert report["base"] == evaluated.base
    assert report["values"].keys() <= METRICS.keys()
    gains = report["gains"]["base"]
    assert {"bits_per_byte", "seq_rep_4", "ended"} <= gains.keys()
    assert not {"distinct_1", "novel_99"} & gains.keys()  # without an interval there is nothing to decide by
    values = report["values"]["bits_per_byte"]
    gained, low, high = gains["bits_per_byte"]["en"]
    assert gained == pytest.approx(values["base"]["en"] - values["tuned"]["en"], abs=2e-4)
    assert low <= gained <= high
    distances = {
        writer: abs(report["values"]["seq_rep_4"][writer]["en"] - report["values"]["seq_rep_4"]["human"]["en"])
        for writer in ("base", "tuned")
    }
    assert gains["seq_rep_4"]["en"][0] == pytest.approx(distances["base"] - distances["tuned"], abs=2e-4)


def test_samples_are_of_the_same_request_and_seed_prompts_first(evaluated):
    samples = read_samples(evaluate.EVALUATION / "poems.parquet")
    assert [sample.language for sample in samples] == ["en"] * 4 + ["es"] * 4
    assert [sample.seed for sample in samples] == list(range(8))
    first = {language: lines[0] for language, lines in evaluated.evaluate.prompts.items()}
    assert [sample.first_line for sample in samples] == [first["en"]] * 2 + [""] * 2 + [first["es"]] * 2 + [""] * 2
    for sample in samples:
        assert sample.base.startswith(sample.first_line)
        assert sample.tuned.startswith(sample.first_line)
    assert samples[0].tuned != samples[1].tuned  # two samples of one prompt
    test = read_table(evaluate.TOKENS / "test.parquet")
    assert samples[2].title in set(test["title"])


def test_where_test_poems_are_few_their_headers_are_requested_again(evaluated):
    params = changed_params({"evaluate.poems_per_language": 64, "evaluate.samples_per_prompt": 2})
    test = read_table(evaluate.TOKENS / "test.parquet").groupby("language").head(3)
    requests = evaluate.requests_of(test, params)
    assert [request.language for request in requests] == ["en"] * 64 + ["es"] * 64
    english = Counter(requests[:64])
    assert {english[request] for request in english if request.first_line} == {2}  # samples per prompt, as always
    assert sorted(english[request] for request in english if not request.first_line) == [13, 13, 14]


def test_every_measured_poem_is_a_row_with_its_request_and_its_metrics(evaluated):
    poems = read_table(evaluate.EVALUATION / "poems.parquet")
    assert list(poems.columns) == measure.EVALUATED_SCHEMA.names
    assert set(poems["writer"]) == {"base", "tuned", "human"}
    counts = poems.groupby(["writer", "language"]).size()
    test = read_table(evaluate.TOKENS / "test.parquet")["language"].value_counts()
    for language in ("en", "es"):
        assert counts["tuned", language] == counts["base", language] == 4
        assert counts["human", language] == test[language]
    values = read_report(evaluate.REPORT)["values"]
    for (writer, language), rows in poems.groupby(["writer", "language"]):
        assert values["seq_rep_4"][writer][language] == pytest.approx(rows["seq_rep_4"].mean(), abs=1e-4)
    assert poems[poems["writer"] == "human"][["first_line", "seed"]].isna().all(axis=None)


def test_metrics_and_samples_are_in_the_run_that_trained_the_model(evaluated):
    run = mlflow.get_run(read_report(Path("models/run.json"))["run_id"])
    report = read_report(evaluate.REPORT)
    assert run.data.metrics["bits_per_byte/tuned/es"] == report["values"]["bits_per_byte"]["tuned"]["es"]
    logged = mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="evaluation")
    assert {Path(artifact.path).name for artifact in logged} == {"poems.parquet", "samples.md"}


def test_a_second_evaluation_gives_the_same_metrics_and_poems(evaluated):
    before = evaluate.REPORT.read_text(), (evaluate.EVALUATION / "poems.parquet").read_bytes()
    evaluate.main()
    assert before == (evaluate.REPORT.read_text(), (evaluate.EVALUATION / "poems.parquet").read_bytes())


def test_two_versions_of_a_model_are_measured_by_the_same_poems_in_one_run(evaluated, tiny_bases):
    test, train = (read_table(evaluate.TOKENS / f"{name}.parquet") for name in ("test", "train"))
    models = {"champion": evaluate.POET, "challenger": tiny_bases["llama"]}
    _, report, poems = evaluate.evaluate_models(models, test, train, evaluated)
    values = report["values"]
    assert set(values["bits_per_byte"]) == {"champion", "challenger"}
    assert set(values["seq_rep_4"]) == {"champion", "challenger", "human"}
    assert values["bits_per_byte"]["champion"] == read_report(evaluate.REPORT)["values"]["bits_per_byte"]["tuned"]
    assert set(poems["writer"]) == {"champion", "challenger", "human"}


@pytest.fixture
def champion(evaluated, tmp_path, monkeypatch):
    """The tuned model as the registered champion, downloaded to a cache of its own."""
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path))
    register.main()
    client, version = MlflowClient(), read_report(register.REPORT)["version"]
    client.set_registered_model_alias("estrofa", "champion", version)
    yield client.get_model_version("estrofa", str(version))
    client.delete_registered_model_alias("estrofa", "champion")


def test_the_champion_is_a_third_writer(champion, evaluated):
    evaluate.main()
    report = read_report(evaluate.REPORT)
    values = report["values"]
    assert list(values["loops"]) == ["base", "tuned", "champion", "human"]
    assert values["bits_per_byte"]["champion"] == values["bits_per_byte"]["tuned"]
    assert list(report["gains"]) == ["base", "champion"]
    assert {tuple(gain) for gains in report["gains"]["champion"].values() for gain in gains.values()} == {(0, 0, 0)}
    poems = read_table(evaluate.EVALUATION / "poems.parquet").set_index("writer")
    assert poems.loc["champion", "text"].tolist() == poems.loc["tuned", "text"].tolist()


def test_a_champion_that_may_have_seen_the_test_poems_or_is_missing_is_left_out(champion, evaluated, capsys):
    other_split = changed_params({"tokenize.test_share": 0.2})
    assert evaluate.champion_of(other_split) == {}
    assert "may have seen the test poems" in capsys.readouterr().out
    MlflowClient().set_model_version_tag("estrofa", champion.version, MANIFEST_TAG, '{"other.safetensors": "0"}')
    assert evaluate.champion_of(evaluated) == {}
    assert "Champion left out" in capsys.readouterr().out


def test_without_a_tuned_model_the_stage_says_what_to_run(evaluated, capsys):
    evaluate.POET.rename("elsewhere")
    try:
        with pytest.raises(SystemExit) as stopped:
            evaluate.main()
    finally:
        Path("elsewhere").rename(evaluate.POET)
    assert stopped.value.code == 2
    assert "models/poet: no such folder. Run `make run`" in capsys.readouterr().err


def test_poems_like_human_ones_measure_better_than_noise(evaluated):
    def found(texts, ended):
        asked = dict.fromkeys(("first_line", "author", "style", "title"))
        poems = pd.DataFrame({"writer": "tuned", "language": "en", "text": texts, "ended": ended, **asked})
        estimates = measure.estimate_metrics(measure.measure_each(poems, train, evaluated), train, evaluated)
        return {name: estimate.value for name, estimate in estimates["tuned"]["en"].items()}

    train = read_table(evaluate.TOKENS / "train.parquet")
    good = found([made_up_poem("en", 8, seed) for seed in range(100, 110)], True)
    bad = found(["the rain the rain the rain the rain the rain " * 3] * 10, False)
    for name in (
        "seq_rep_4",
        "loops",
        "words_per_line_distance",
        "lines_per_stanza_distance",
        "stanzas_per_poem_distance",
    ):
        assert good[name] < bad[name], name
    for name in ("ended", "distinct_1", "distinct_2", "distinct_3"):
        assert good[name] > bad[name], name


def test_markup_in_a_poem_does_not_break_the_table_of_samples():
    sample = Sample("en", None, None, None, "a | b", 0, "a | b\n*c*", "<b>d</b>\n\n1. e")
    rows = [line for line in samples_markdown([sample], {"en": "English"}).split("\n") if line.startswith("| a")]
    assert rows == ["| a &#124; b<br>&#42;c&#42; | &lt;b&gt;d&lt;/b&gt;<br><br>1. e |"]

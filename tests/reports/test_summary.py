"""What a run prints at its end: counts, metrics, samples, the version, and where to read on."""

import io
import subprocess
import sys

import pandas as pd
import pytest
from rich.console import Console

from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report, write_report, write_table
from pipeline.metrics.measure import EVALUATED_SCHEMA
from pipeline.reports.summary import metrics_table, poems_table, summary
from tests.support.made_up import ROOT

SHARES = ("language_adherence", "foreign_lines", "seq_rep_4", "repeated_lines", "loops", "ended")


@pytest.fixture
def root(tmp_path):
    """A repository after a run."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    clean = {"poems_in": 12, "poems_kept": 10, "rejected": {"too short": 2, "too long": 0}}
    tag = {"poems_in": 10, "poems_kept": 9, "kept": {"en": 5, "es": 4}, "rejected": {"other language": 1}}
    values = {"bits_per_byte": {"base": {"en": 1.5, "es": 1.7}, "tuned": {"en": 1.25, "es": 1.4}}}
    for name in SHARES:
        values[name] = {writer: {"en": 0.5, "es": 0.125} for writer in ("base", "tuned", "human")}
    evaluate = {"base": "gemma (4-bit weights)", "values": values}
    register = {"model": "estrofa", "version": 3, "alias": "challenger", "run_id": "abc"}
    reports = {"clean": clean, "tag": tag, "evaluate": evaluate, "register": register}
    for name, report in reports.items():
        write_report(report, tmp_path / "metrics" / f"{name}.json")
    asked = [
        {"language": "en", "first_line": "The kettle"},
        {"language": "es", "title": "La llave", "style": "copla"},
        {"language": "es"},
    ]
    written = {
        "base": ["The kettle\n[b]plainly", "Libro en venta", "not shown"],
        "tuned": ["The kettle\nthe hour", "La llave de la casa", "not shown"],
    }
    poems = [
        {"writer": writer, "seed": seed, "text": texts[seed], **request}
        for writer, texts in written.items()
        for seed, request in enumerate(asked)
    ]
    write_table(pd.DataFrame(poems, dtype=object), tmp_path / "data/evaluation/poems.parquet", EVALUATED_SCHEMA)
    return tmp_path


def printed(root, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(summary(root))
    return console.export_text()


def test_poems_in_are_poems_rejected_and_kept(root):
    assert poems_table(root) == [
        {"poems": "in", "count": "12"},
        {"poems": "rejected: too short", "count": "2"},
        {"poems": "rejected: other language", "count": "1"},
        {"poems": "kept", "count": "5 en, 4 es"},
    ]


def test_a_reason_of_both_stages_is_counted_together(root):
    tag = {"kept": {"en": 5}, "rejected": {"too short": 3}}
    write_report(tag, root / "metrics/tag.json")
    assert {"poems": "rejected: too short", "count": "5"} in poems_table(root)


def test_metrics_are_shown_before_and_after_beside_the_human_value(root):
    rows = metrics_table(root)
    assert rows[0] == {"metric": "bits per byte", "language": "en", "base": "1.500", "tuned": "1.250", "human": "–"}
    shares = dict.fromkeys(("base", "tuned", "human"), "12%")
    assert rows[3] == {"metric": "wholly in its language", "language": "es", **shares}
    assert len(rows) == 2 * (1 + len(SHARES))


def test_a_metric_that_a_language_lacks_has_no_row(root):
    report = read_report(root / "metrics/evaluate.json")
    report["values"]["rhyme_density"] = {"base": {"es": 0.25}}
    write_report(report, root / "metrics/evaluate.json")
    rows = [row for row in metrics_table(root) if row["metric"] == "rhyme"]
    assert rows == [{"metric": "rhyme", "language": "es", "base": "25%", "tuned": "–", "human": "–"}]


def test_the_end_of_a_run_shows_samples_the_version_and_both_uis(root):
    text = printed(root)
    assert "base: gemma (4-bit weights)" in text
    assert "English: “The kettle”" in text
    assert "Spanish: “La llave”, copla" in text
    assert "[b]plainly" in text
    assert "not shown" not in text
    assert "estrofa version 3, alias challenger" in text
    assert "models:/estrofa@challenger" in text
    assert "make mlflow" in text
    assert "make prefect" in text
    [both] = [line for line in text.splitlines() if "the hour" in line]
    assert "[b]plainly" in both  # side by side


def test_before_a_run_has_ended_it_says_so(root):
    (root / "metrics/register.json").unlink()
    with pytest.raises(BadInput, match=r"register\.json: no such file\. Run `make run`"):
        summary(root)


def test_it_imports_nothing_heavy():
    code = "import sys, pipeline.reports.summary; print({'torch', 'transformers', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

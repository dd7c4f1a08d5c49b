"""The registry defines every metric that is measured, and the docs show what it says."""

import sys

import pytest

from pipeline.metrics import registry
from pipeline.metrics.coherence import Coherence
from pipeline.metrics.measure import LENGTHS, POEM_METRICS
from pipeline.metrics.registry import METRICS
from tests.support.made_up import ROOT

PAGE = ROOT / "docs/metrics.md"


def test_every_metric_of_a_poem_is_defined():
    assert {field.name for field in POEM_METRICS} | LENGTHS.keys() | set(Coherence._fields) <= METRICS.keys()


def test_labels_are_unique_and_every_metric_says_what_it_means():
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.meaning.endswith(".")
        assert metric.definition


def test_the_docs_show_what_the_registry_says():
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(registry.BEGIN)
    assert rest.partition(registry.END)[0].strip() == registry.markdown(), (
        "Run python -m pipeline.metrics.registry docs/metrics.md"
    )


def test_the_command_prints_the_tables_or_writes_them_into_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["registry"])
    registry.main()
    assert capsys.readouterr().out.strip() == registry.markdown()
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{registry.BEGIN}\nold\n{registry.END}\n\nAfter\n")
    monkeypatch.setattr(sys, "argv", ["registry", str(page)])
    registry.main()
    written = page.read_text(encoding="utf-8")
    assert written.startswith("# Before\n\n")
    assert written.endswith(f"{registry.markdown()}\n\n{registry.END}\n\nAfter\n")
    assert "old" not in written


def test_a_page_without_markers_is_named_and_left_as_it_is(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("# No markers\n")
    monkeypatch.setattr(sys, "argv", ["registry", str(page)])
    with pytest.raises(SystemExit):
        registry.main()
    assert f"{page}: no lines" in capsys.readouterr().err
    assert page.read_text() == "# No markers\n"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("loops", 0.25, "25%"),
        ("loops", 0.012, "1.2%"),
        ("loops", 0, "0%"),
        ("bits_per_byte", 1.4057, "1.406"),
        ("longest_copied_run", 12.0, "12"),
        ("words_per_line_distance", 1.2345, "1.23"),
        ("words_per_line_distance", 12.345, "12.3"),
        ("self_bleu", 0.0312, "0.03"),
    ],
)
def test_values_are_shown_in_their_unit(name, value, text):
    assert METRICS[name].format(value) == text

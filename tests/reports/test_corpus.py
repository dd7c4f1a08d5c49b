"""The corpus report on a corpus with known faults, cleaned and tagged, in a real browser."""

import pandas as pd
import pytest

from pipeline.clean import clean_corpus
from pipeline.common.tables import POEM_SCHEMA, RAW_FIELDS, REJECT_SCHEMA, read_table, write_report, write_table
from pipeline.reports import corpus
from pipeline.reports.changes import change
from pipeline.reports.corpus_cautions import cautions
from pipeline.tag import read_poems, tag_poems
from tests.support.browser import brightness, faults, opened
from tests.support.made_up import changed_params, made_up_poem

SCRIPT = "<script>document.title = 'broken in'</script>"
MIXED = "The river keeps its silver under stones\nand nobody who crosses asks its name\nwhen winter comes."


def raw(text: str, **fields: object) -> dict[str, object]:
    known = {"source": "depot", "declared_language": "en", "licence": "CC0", "author": "Ada Wren"}
    return dict.fromkeys(RAW_FIELDS) | known | {"text": text} | fields


def records() -> list[dict[str, object]]:
    """Forty good poems, a copy, a fragment, a poem in a language it is not declared in, and one that attacks."""
    good = [
        raw(
            made_up_poem(code, 8 + number % 9, number),
            title=f"No. {number}",
            declared_language=code,
            year=str(1590 + 20 * number),
        )
        for code in ("en", "es")
        for number in range(20)
    ]
    hostile = raw(f"{SCRIPT}\n{made_up_poem('en', 8, 99)}", title=SCRIPT, author='O\'Hara & "Sons"', licence=None)
    return [
        *good,
        good[0] | {"source": "attic", "title": None},
        raw("Too short,\nthis one.", source="attic"),
        raw(made_up_poem("es", 9, 50), title="Perdido", declared_language="en"),
        raw("The caf\u00c3\u00a9 on the corner has a kettle\n" + MIXED + "\u200b", title="Caf\u00e9"),
        hostile,
    ]


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """What clean and tag make of the records: rejects, kept, rejects for their language, clean's report, the params."""
    params = changed_params({"clean.duplicate_similarity": 0.99, "clean.cluster_similarity": 0.9})
    folder = tmp_path_factory.mktemp("clean")
    cleaned = clean_corpus(records(), params.clean, folder, workers=1)
    poems, rejects = (read_table(folder / f"{name}.parquet") for name in ("poems", "rejects"))
    readings = read_poems(poems["text"], params.tag, workers=1)
    kept, foreign = tag_poems(poems, readings, set(params.languages), params.tag)
    return rejects, kept, foreign, cleaned, params


@pytest.fixture(scope="module")
def page(stages, tmp_path_factory):
    """The file, made by the stage."""
    rejects, kept, foreign, cleaned, params = stages
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_table(rejects, corpus.CLEAN / "rejects.parquet", REJECT_SCHEMA)
        write_table(kept, corpus.TAGGED / "poems.parquet", POEM_SCHEMA)
        write_table(foreign, corpus.TAGGED / "rejects.parquet", REJECT_SCHEMA)
        write_report(
            {"depot": {"poems": 43, "pages": 50, "failed": 7}, "attic": {"poems": 2}}, folder / "metrics/scrape.json"
        )
        write_report(cleaned, folder / "metrics/clean.json")
        (folder / "params.yaml").write_text(params.model_dump_json(by_alias=True))
        corpus.main()
    return folder / corpus.PAGE


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "light"), (1280, "dark")])
def test_it_reads_well_on_every_screen(browser, page, width, scheme, tmp_path):
    with opened(browser, page, width, scheme) as shown:
        assert shown.get_by_role("heading", level=1).inner_text() == "The corpus"
        assert faults(shown) == []
        assert (brightness(shown, tmp_path / "page.png") > 128) == (scheme == "light")


def test_the_counts_are_at_the_top_and_add_up(browser, page, stages):
    rejects, kept, foreign, _, _ = stages
    with opened(browser, page) as shown:
        numbers = shown.locator(".numbers").inner_text()
    assert f"{len(kept)}\nof {len(records())}" in numbers
    assert len(kept) + len(rejects) + len(foreign) == len(records())


def test_poems_of_each_language_are_there_to_read_without_opening_anything(browser, page, stages):
    _, kept, _, _, _ = stages
    with opened(browser, page) as shown:
        poems = shown.locator("section", has=shown.locator("h2#poems")).locator(".poem")
        languages = [poem.get_attribute("lang") for poem in poems.all()]
        assert all(poem.is_visible() for poem in poems.all())
        first_lines = [poem.inner_text().split("\n")[0] for poem in poems.all()]
    assert languages == ["en"] * corpus.SAMPLED + ["es"] * corpus.SAMPLED
    assert set(first_lines) <= {text.split("\n")[0] for text in kept["text"]}


def test_a_poem_with_markup_is_text(browser, page):
    with opened(browser, page) as shown:
        assert shown.title() == "The corpus"
        assert shown.locator("script").count() == 0


def test_a_poem_in_another_language_than_declared_is_listed(browser, page):
    with opened(browser, page) as shown:
        row = shown.get_by_role("row").filter(has_text="Perdido")
        assert "language disagrees with source" in row.inner_text()
        assert row.locator("[lang=es]").count() == 1
        matrix = shown.get_by_role("region", name="Confusion matrix of languages")
        assert matrix.locator(".differs").inner_text() == "1"


def test_examples_open_by_keyboard(browser, page):
    with opened(browser, page) as shown:
        example = shown.locator("details", has_text="too short")
        assert not example.locator(".poem").is_visible()
        example.locator("summary").focus()
        shown.keyboard.press("Enter")
        assert "Too short," in example.locator(".poem").inner_text()


def test_a_copy_is_shown_beside_its_original(browser, page):
    with opened(browser, page) as shown:
        shown.locator("#duplicates ~ details summary").first.click()
        beside = shown.locator("#duplicates ~ details").first.inner_text()
    assert "attic" in beside
    assert "kept" in beside
    assert "dropped" in beside


def test_periods_come_from_the_years_of_the_sources(browser, page):
    with opened(browser, page) as shown:
        card = shown.get_by_role("region", name="Poems in Spanish by century").inner_text()
    assert "16th century" in card
    assert "20th century" in card


def test_dvc_has_the_counts_behind_the_charts(page, stages):
    _, kept, _, _, _ = stages
    tables = {path: pd.read_csv(page.parents[2] / path) for path in (corpus.POEMS, corpus.AUTHORS, corpus.PERIODS)}
    for table in tables.values():
        assert table["poems"].sum() == len(kept)
    assert tables[corpus.POEMS].set_index("source")["poems"]["depot (es)"] == 20
    assert "Ada Wren (es)" in set(tables[corpus.AUTHORS]["author"])
    periods = tables[corpus.PERIODS].set_index("period")["poems"]
    assert periods["17th century (es)"] == 5
    assert periods["undated (en)"] == (kept["year"].isna() & (kept["language"] == "en")).sum()


def test_a_change_marks_removals_and_spells_out_invisible_characters():
    before, after = change("caf\u00c3\u00a9 \u200bnoir", "café noir")
    assert "<del>Ã©</del>" in before
    assert "⟨U+200B⟩" in before
    assert "<ins>é</ins>" in after


def test_text_pushed_past_the_end_of_an_example_does_not_count_as_removed():
    before, after = change("[1]a river of the north", "a river of the north and")
    assert before == "<del>[1]</del>a river of the north"
    assert after == "a river of the north and"


def warnings_of(stages, **changes):
    """The text of all warnings on the corpus of `stages` with columns of the poems kept changed."""
    rejects, kept, foreign, _, params = stages
    kept = kept.assign(**({"broken": False} | changes))
    dropped, tagged = pd.concat([rejects, foreign]), pd.concat([kept, foreign])
    sources = corpus.source_rows(kept, dropped, {"depot": {"pages": 50, "failed": 7}, "attic": {"stale": True}})
    return " ".join(caution.text for caution in cautions(kept, tagged, sources, params.languages))


def test_warnings_name_what_is_wrong(stages):
    text = warnings_of(stages)
    assert "in English: a model will learn a style at most" in text
    assert "100% of the poems of attic were dropped" in text
    assert "7 pages of depot could not be downloaded" in text
    assert "attic was unavailable" in text
    assert "without a licence, from depot" in text
    assert "Ada Wren wrote 100% of the poems in Spanish" in text
    assert "not balanced" not in text


def test_a_corpus_of_one_language_is_not_balanced(stages):
    assert "English has all the words, and none in Spanish" in warnings_of(stages, language="en")


def test_poems_without_authors_are_counted(stages):
    assert "20 poems in Spanish have no author" in warnings_of(stages, author=None)


def test_poems_with_lost_letters_are_counted(stages):
    assert "kept poems have lost letters" in warnings_of(stages, broken=True)
    assert "lost letters" not in warnings_of(stages)

"""Which poems are kept in which language, and which are rejected."""

from pathlib import Path
from random import Random

import pandas as pd
import pytest

from pipeline import tag
from pipeline.common.params import Tag, load_params
from pipeline.common.stage import BadInput
from pipeline.common.tables import POEM_SCHEMA, ROW_GROUP, read_report, read_table, write_table
from pipeline.language.detector import read_languages
from pipeline.tag import read_poems, tag_poems, tag_table
from tests.support.bilingual import ALL, CANDIDATES, SHORT, STANZAS

PARAMS = Tag(seed=0, candidates=list(CANDIDATES), min_confidence=0.8, max_foreign_share=0.2)


def table(texts, declared="en"):
    rows = [
        {"poem_id": str(number), "source": "attic", "cluster": str(number), "declared_language": declared, "text": text}
        for number, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=POEM_SCHEMA.names).astype(object).assign(lines=4, stanzas=1, words=20)


def read(text, seed=0):
    return read_languages([text], CANDIDATES, seed)[0]


def reason(text, declared, params=PARAMS):
    _, rejects = tag_poems(table([text], declared), read_poems([text], params), {"en", "es"}, params)
    return None if rejects.empty else rejects.iloc[0]["reason"]


def test_the_tables_are_the_same_for_any_number_of_workers(tmp_path):
    random = Random(2)
    stanzas = [stanza for group in STANZAS.values() for stanza in group]
    poems = table(["\n\n".join(random.sample(stanzas, 2)) for _ in range(ROW_GROUP + 600)])
    write_table(poems, tmp_path / "poems.parquet", POEM_SCHEMA)
    params = load_params()
    reports = [
        tag_table(tmp_path / "poems.parquet", tmp_path / str(workers), params, workers=workers) for workers in (1, 2)
    ]
    assert reports[0] == reports[1]
    kept, rejects = ([tmp_path / folder / f"{name}.parquet" for folder in "12"] for name in ("poems", "rejects"))
    assert kept[0].read_bytes() == kept[1].read_bytes()
    assert rejects[0].read_bytes() == rejects[1].read_bytes()
    ids = [read_table(paths[0])["poem_id"].astype(int).tolist() for paths in (kept, rejects)]
    assert ids == [sorted(found) for found in ids]
    assert sorted(ids[0] + ids[1]) == list(range(len(poems)))


@pytest.mark.parametrize(("own", "other"), [("en", "es"), ("es", "en"), ("en", "fr"), ("es", "fr")])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_one_foreign_stanza_in_four_makes_a_mixture(own, other, place):
    stanzas = STANZAS[own][:3]
    stanzas.insert(place, STANZAS[other][0])
    reading = read("\n\n".join(stanzas))
    assert (reading.language, reading.foreign_language) == (own, other)
    assert reading.foreign_share == pytest.approx(0.25, abs=0.06)
    assert reason("\n\n".join(stanzas), own) == "mixed languages"


def test_a_bilingual_poem_line_by_line_is_a_mixture():
    lines = [
        line
        for english, spanish in zip(STANZAS["en"], STANZAS["es"], strict=True)
        for pair in zip(english.split("\n"), spanish.split("\n"), strict=True)
        for line in pair
    ]
    assert reason("\n".join(lines), "en") == "mixed languages"


def test_a_short_epigraph_in_another_language_is_no_mixture():
    text = "\n\n".join(["Mi abuela guarda en un cajón las llaves", *STANZAS["en"]])
    assert 0 < read(text).foreign_share < 0.2
    assert reason(text, "en") is None


def test_what_is_kept_and_what_goes_with_which_reason():
    english, spanish, french = ("\n\n".join(STANZAS[code]) for code in ("en", "es", "fr"))
    assert reason(english, "en") is None
    assert reason(spanish, None) is None
    assert reason(spanish, "en") == "language disagrees with source"
    assert reason(french, "en") == "other language: fr"
    assert reason("1 2 3\n4 5 6\n7 8 9", "en") == "language unknown"
    assert (
        reason("Tk tk\nbrr brr\nzzz vvv", None, PARAMS.model_copy(update={"min_confidence": 1.0})) == "language unknown"
    )


def test_where_the_source_agrees_less_confidence_is_enough():
    text = "Canta la rana,\ncanta la mañana."
    reading = read(text)
    strict = PARAMS.model_copy(update={"min_confidence": 1.0})
    assert (reading.language, 0.5 <= reading.confidence < 1.0) == ("es", True)
    assert reason(text, "es", strict) is None
    assert reason(text, None, strict) == "language unknown"


def test_the_report_has_the_confusion_matrix_and_who_disagrees(tmp_path):
    poems = table([STANZAS["en"][0], STANZAS["es"][0], STANZAS["fr"][0]])
    write_table(poems, tmp_path / "poems.parquet", POEM_SCHEMA)
    report = tag_table(tmp_path / "poems.parquet", tmp_path / "tagged", load_params())
    assert report["confusion"] == {"en": {"en": 1, "es": 1, "fr": 1}}
    assert report["rejected"] == {"language disagrees with source": 1, "other language: fr": 1}
    assert [poem["poem_id"] for poem in report["disagreeing"]] == ["1", "2"]
    assert (report["poems_in"], report["poems_kept"], report["kept"]) == (3, 1, {"en": 1})


def test_a_candidate_without_a_profile_is_named():
    with pytest.raises(BadInput, match=r"tag\.candidates: 'xx' has no language profile.*langdetect knows af"):
        read_poems(["a"], PARAMS.model_copy(update={"candidates": ["en", "xx"]}))


def test_a_stanza_of_scots_makes_an_english_poem_a_mixture():
    scots = SHORT["Scots"]["development"][0].strip()
    text = "\n\n".join([*STANZAS["en"][:2], scots, STANZAS["en"][2]])
    assert reason(text, "en") is None
    assert reason(text, "en", PARAMS.model_copy(update={"candidates": list(ALL)})) == "mixed languages"


def test_a_candidate_without_its_neighbours_is_named():
    with pytest.raises(BadInput, match=r"'gl' is told from its neighbours, and pt is not there.*Add pt or take gl out"):
        read_poems(["a"], PARAMS.model_copy(update={"candidates": ["en", "es", "gl"]}))


def test_the_stage_writes_tables_and_report(tmp_path, monkeypatch):
    params = Path("params.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(params, encoding="utf-8")
    write_table(table([STANZAS["en"][0], STANZAS["fr"][1]]), Path("data/clean/poems.parquet"), POEM_SCHEMA)
    tag.main()
    poems, rejects = (read_table(Path(f"data/tagged/{name}.parquet")) for name in ("poems", "rejects"))
    assert poems["language"].tolist() == ["en"]
    assert poems["language_confidence"].between(0.9, 1).all()
    assert rejects["reason"].tolist() == ["other language: fr"]
    assert rejects["text"].tolist() == [STANZAS["fr"][1]]
    assert read_report(Path("metrics/tag.json"))["kept"] == {"en": 1}


def test_a_table_without_poems_stops_the_stage(tmp_path, monkeypatch, capsys):
    params = Path("params.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(params, encoding="utf-8")
    write_table(table([]), Path("data/clean/poems.parquet"), POEM_SCHEMA)
    with pytest.raises(SystemExit):
        tag.main()
    assert "clean kept no poem" in capsys.readouterr().err

"""Which language a poem is found to be in, and which poems go for it."""

from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmarks.language import VERSE as BENCHMARK
from pipeline import tag
from pipeline.common.params import Tag, load_params
from pipeline.common.stage import BadInput
from pipeline.common.tables import POEM_SCHEMA, ROW_GROUP, read_report, read_table, write_table
from pipeline.language.detector import (
    divide,
    drawn_probabilities,
    ngrams,
    own_words,
    profiles,
    read_languages,
    stretches,
)
from pipeline.language.unprofiled import UNPROFILED
from pipeline.tag import read_poems, tag_poems, tag_table

CANDIDATES = ("en", "es", "fr", "pt", "it", "ca", "de", "nl")
ALL = (*CANDIDATES, *UNPROFILED)
PARAMS = Tag(seed=0, candidates=list(CANDIDATES), min_confidence=0.8, max_foreign_share=0.2)
VERSE = {
    "en": """
The baker wakes before the birds
and lights the oven in the dark;
he never wastes his breath on words,
he writes in flour his only mark.

My sister keeps a jar of rain
upon the sill above the sink
and every time I come again
she pours a little out to drink.

We sold the house, we kept the key,
it opens nothing any more,
but still at night it speaks to me
about the hinges of a door.

The ferry leaves at half past eight
with crates of oranges and mail,
and those who wave are always late
and those who leave are always pale.""",
    "es": """
El panadero cruza el puente
cuando la noche aún no se ha ido,
lleva en las manos, de repente,
el pan de ayer como un olvido.

Mi abuela guarda en un cajón
las llaves de una casa ajena
y cuando llueve en el balcón
las hace sonar como una pena.

Vendimos todo, hasta la mesa,
quedó en el muro una herradura;
y lo que más ahora pesa
es el vacío que perdura.

El barco sale a medianoche
cargado de naranjas frías,
y quien se queda junto al coche
va repitiendo los días.""",
    "fr": """
Le boulanger traverse la place
avant que le jour ne soit levé,
il porte sur ses épaules lasses
le pain que nous avons rêvé.

Ma mère garde dans une armoire
les clefs d'une maison perdue
et quand il pleut sur la mémoire
elle écoute les bruits de la rue.""",
}
SHORT = YAML(typ="safe").load(BENCHMARK)
STANZAS = {code: text.strip().split("\n\n") for code, text in VERSE.items()}


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


@pytest.mark.parametrize(("code", "stanza"), [(code, stanza) for code in STANZAS for stanza in STANZAS[code]])
def test_four_short_lines_are_enough_to_tell_the_language(code, stanza):
    reading = read(stanza)
    assert (reading.language, reading.foreign_share) == (code, 0.0)
    assert reading.confidence > 0.9


def test_a_tag_hangs_on_the_text_and_the_seed_alone():
    texts = [stanza for stanzas in STANZAS.values() for stanza in stanzas]
    alone = [read(text) for text in texts]
    assert read_languages(texts, CANDIDATES, 0) == alone
    shuffled = Random(1).sample(range(len(texts)), len(texts))
    assert read_languages([texts[place] for place in shuffled], CANDIDATES, 0) == [alone[place] for place in shuffled]


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


def test_the_draw_says_what_langdetect_says():
    factory = profiles(CANDIDATES)
    factory.seed = 0
    texts = [stanza for stanzas in STANZAS.values() for stanza in stanzas]
    texts += [
        "Canta la rana, canta la mañana",
        "Arma virumque cano, Troiae qui primus",
        "the sea la mer el mar",
    ]
    for text in texts:
        rows = np.concatenate([ngrams(word, CANDIDATES) for word in text.split()])
        ours = np.mean([drawn_probabilities(rows, CANDIDATES, seed) for seed in range(40)], axis=0)
        detector = factory.create()
        detector.n_trial = 40 * 7
        detector.append(" ".join(text.split()) + " ")
        theirs = {found.lang: found.prob for found in detector.get_probabilities()}
        for code, probability in zip(CANDIDATES, ours, strict=True):
            assert theirs.get(code, 0.0) == pytest.approx(probability, abs=0.1)


def test_a_change_of_language_has_its_price():
    own, other = np.array([0.0, -100.0]), np.array([-100.0, 0.0])
    doubtful = np.array([-10.0, 0.0])
    assert stretches(np.array([own, doubtful, own])) == [0, 0, 0]
    assert stretches(np.array([own, other, own])) == [0, 1, 0]
    assert stretches(np.array([own, own, other, other])) == [0, 0, 1, 1]


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


@pytest.mark.parametrize(("kind", "code"), [("Galician", "gl"), ("Latin", "la"), ("Scots", "sco")])
def test_a_language_that_langdetect_has_no_profile_of_is_told_by_its_own_words(kind, code):
    found = [reading.language for reading in read_languages(SHORT[kind]["development"], ALL, 0)]
    assert found.count(code) >= 0.9 * len(found)


@pytest.mark.parametrize(("kind", "code"), [("old Spanish", "es"), ("English of old or of the country", "en")])
def test_old_and_rural_verse_stays_in_its_language(kind, code):
    found = [
        (reading.language, reading.foreign_share) for reading in read_languages(SHORT[kind]["development"], ALL, 0)
    ]
    assert found.count((code, 0.0)) >= 0.9 * len(found)


@pytest.mark.parametrize("kind", ["Portuguese", "Galician", "Catalan", "Latin"])
def test_words_of_old_spanish_let_none_of_its_neighbours_through(kind):
    found = [reading.language for reading in read_languages(SHORT[kind]["development"], ALL, 0)]
    assert "es" not in found


def test_what_its_old_words_alone_explain_counts_as_spanish():
    text = "Fizo fazer la muger una carta,\ndixol al fijo."
    without = tuple(code for code in ALL if code != "osp")
    assert read_languages([text], without, 0)[0].language != "es"
    reading = read_languages([text], ALL, 0)[0]
    assert (reading.language, reading.foreign_language) == ("es", None)
    assert reading.confidence > 0.5


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*STANZAS["es"], *SHORT["old Spanish"]["development"][:6]]), min_size=1, max_size=6))
def test_old_and_modern_spanish_are_no_mixture(stanzas):
    reading = read_languages(["\n\n".join(stanza.strip() for stanza in stanzas)], ALL, 0)[0]
    assert (reading.language, reading.foreign_language) == ("es", None)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from([verse for entry in SHORT.values() for verse in entry["development"]]), min_size=1, max_size=4
    )
)
def test_a_reading_names_a_language_and_never_an_older_form_of_one(stanzas):
    reading = read_languages(["\n\n".join(stanzas)], ALL, 0)[0]
    assert {reading.language, reading.foreign_language} <= {*ALL, None} - {"osp"}
    assert 0 < reading.confidence < 1 + 1e-9


def test_a_stanza_of_scots_makes_an_english_poem_a_mixture():
    scots = SHORT["Scots"]["development"][0].strip()
    text = "\n\n".join([*STANZAS["en"][:2], scots, STANZAS["en"][2]])
    assert reason(text, "en") is None
    assert reason(text, "en", PARAMS.model_copy(update={"candidates": list(ALL)})) == "mixed languages"


def test_words_are_looked_up_whatever_stands_around_them():
    for word in ("frae", "Frae,", "“frae!”", "didna’", "blude-red", "NICHT"):
        assert own_words(word, ("sco",)) == (True,), word
    for word in ("from", "night", "—", "3"):
        assert own_words(word, ("sco",)) == (False,), word
    assert own_words("xardín", ("gl", "sco")) == (True, False)


def test_languages_without_a_profile_are_entries_of_their_own():
    profiled, unprofiled = divide(ALL)
    assert (profiled, unprofiled) == (CANDIDATES, tuple(UNPROFILED))
    for code, entry in UNPROFILED.items():
        words = entry.words.split()
        assert set(entry.neighbours) <= set(profiled), code
        assert entry.counts_as in (None, *entry.neighbours), code
        assert words == list(dict.fromkeys(word.lower() for word in words)), code


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

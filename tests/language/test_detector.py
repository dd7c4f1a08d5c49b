"""Which language a poem is found to be in, and how much of it is in another."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.language.detector import drawn_probabilities, ngrams, profiles, read_languages, stretches
from tests.support.bilingual import ALL, CANDIDATES, SHORT, STANZAS


def read(text, candidates=CANDIDATES, seed=0):
    return read_languages([text], candidates, seed)[0]


@pytest.mark.parametrize(("code", "stanza"), [(code, stanza) for code in STANZAS for stanza in STANZAS[code]])
def test_four_short_lines_are_enough_to_tell_the_language(code, stanza):
    reading = read(stanza)
    assert (reading.language, reading.foreign_share) == (code, 0.0)
    assert reading.confidence > 0.9


@pytest.mark.parametrize("code", STANZAS)
def test_capitals_change_nothing(code):
    for stanza in STANZAS[code]:
        for shouted in (
            stanza.upper(),
            stanza.title(),
            stanza.replace(stanza.split()[0], stanza.split()[0].upper(), 1),
        ):
            reading = read(shouted, ALL)
            assert (reading.language, reading.foreign_share) == (code, 0.0), shouted


def test_a_stanza_in_capitals_is_read_as_in_lower_case():
    text = """EL RÍO BAJA LENTO POR LA TARDE
Y LAS BARCAS ESPERAN EN LA ORILLA
UN NIÑO CUENTA PIEDRAS EN SILENCIO
Y LA LUNA SE SIENTA EN UNA SILLA"""
    assert read(text, ALL) == read(text.lower(), ALL)
    assert read(text, ALL).language == "es"


EARLY_MODERN = [
    """And yett she sayde itt was noe greefe to mee
to see the lampe so lowe, the ledger shutt;
for euery thinge that goeth must goe free,
and soe the carte went downe the chalkie cutt.""",
    """Yett will I wayte beside the well of stone
where yett the water keepes the colde of yore;
I had a lambe, and yett I was alone,
and when itt dyed I was alone the more.""",
    """The baker ryseth ere the byrdes doe singe
and lyghteth fyer in the darke alone;
thow hast no wordes, nor any other thinge
than floure upon thy handes, as whyte as bone.""",
    """Myn hert is gone, and yett I do not wepe,
the ryver taketh that the rayne hath lent;
my moder hath a lanterne she doth kepe
behynd the dore for them that never went.""",
]


@pytest.mark.parametrize("text", EARLY_MODERN)
def test_english_as_it_was_spelt_before_is_no_scots(text):
    reading = read(text, ALL)
    assert (reading.language, reading.foreign_share) == ("en", 0.0)
    assert reading.confidence > 0.9


OLD_SPANISH = [
    """Yo, maestro Domingo de la villa de Onna,
iendo por la carrera fallé una colonna,
era alta e clara, de piedra bien labrada,
a pora omne cansado cosa muy deseada.""",
    """Moça tan garrida
non vi en la ribera
com' una hilandera
de la mi partida.""",
]


@pytest.mark.parametrize("text", OLD_SPANISH)
def test_a_line_may_be_in_old_spanish_and_the_next_as_today(text):
    reading = read(text, ALL)
    assert (reading.language, reading.foreign_language) == ("es", None)
    assert reading.confidence > 0.5


def test_a_reading_depends_on_the_text_and_the_seed_alone():
    texts = [stanza for stanzas in STANZAS.values() for stanza in stanzas]
    alone = [read(text) for text in texts]
    assert read_languages(texts, CANDIDATES, 0) == alone
    shuffled = Random(1).sample(range(len(texts)), len(texts))
    assert read_languages([texts[place] for place in shuffled], CANDIDATES, 0) == [alone[place] for place in shuffled]


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
    doubtful = np.array([-10.0, 0.0]) / 3
    assert stretches(np.array([own, doubtful, own])) == [0, 0, 0]
    assert stretches(np.array([own, other, own])) == [0, 1, 0]
    assert stretches(np.array([own, own, other, other])) == [0, 0, 1, 1]


def test_a_change_to_an_older_form_costs_less_and_is_none():
    today, old = np.array([0.0, -4.0, -20.0]), np.array([-4.0, 0.0, -20.0])
    assert stretches(np.array([today, old, today]), own=0, older={1: 0}) == [0, 0, 0]
    foreign = np.array([-20.0, -20.0, 0.0])
    assert stretches(np.array([foreign, old, today]), own=0, older={1: 0}) == [2, 0, 0]


@pytest.mark.parametrize(("kind", "code"), [("Galician", "gl"), ("Latin", "la"), ("Scots", "sco")])
def test_a_language_that_langdetect_has_no_profile_of_is_recognised_by_its_own_words(kind, code):
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

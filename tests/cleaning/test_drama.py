"""What of a dialogue is spoken and what is not; and that verse which only looks like a dialogue stays as it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clean import clean_corpus
from pipeline.cleaning.drama import drop_stage_text
from pipeline.cleaning.rules import clean_text
from pipeline.common.params import load_params
from scrapers.anthology.poems import LANGUAGES, read_poems

words = st.text(alphabet="abcdefghijklmnñopqrstuvwxyzáéíóú", min_size=2, max_size=8)
verses = st.lists(words, min_size=2, max_size=6).map(lambda words: " ".join(words).capitalize())
speeches = st.lists(st.lists(verses, min_size=1, max_size=4), min_size=6, max_size=12)
LABELS = {
    "HAMLET.\n{}": ("HAMLET", "HORATIO"),
    "HAMLET\n{}": ("LA NIÑA", "EL CÓNDOR"),
    "ANTONIO: {}": ("ANTONIO", "JULIA"),
    "Don Juan.—{}": ("Don Juan", "Doña Inés"),
    "He. {}": ("He", "She"),
    "Lear (aside):\n{}": ("Lear", "First Man"),
    "KING [going].\n{}": ("KING", "ST JOHN"),
}


def dialogue(form: str, names: tuple[str, str], spoken: list[list[str]]) -> str:
    """Speeches of two by turns, a stanza each, headed as the form's name is in it."""
    own = form[: next(k for k, sign in enumerate(form) if sign in ".:\n([")].strip()
    return "\n\n".join(
        form.replace(own, names[number % 2]).format("\n".join(lines)) for number, lines in enumerate(spoken)
    )


@pytest.mark.parametrize(("form", "names"), LABELS.items(), ids=LABELS)
@settings(max_examples=30)
@given(spoken=speeches)
def test_of_a_dialogue_every_spoken_line_stays_and_nothing_else(form, names, spoken):
    found = clean_text(dialogue(form, names, spoken))[0]
    assert [line for line in found.split("\n") if line] == [line for lines in spoken for line in lines]


@settings(max_examples=100)
@given(
    lines=st.lists(
        st.one_of(
            verses,
            st.sampled_from(
                ["", "HE.", "SHE.", "He. Come", "She. No", "HE. HE. go", "[Exit]", "ACT II", "SHE (aside).", "(Vase.)"]
            ),
        ),
        max_size=20,
    )
)
def test_dropping_stage_text_twice_is_dropping_it_once(lines):
    once = drop_stage_text("\n".join(lines))
    assert drop_stage_text(once) == once


def test_directions_scenes_and_the_list_of_persons_go_with_the_speakers():
    text = """DRAMATIS PERSONAE
THE MOON, a lady
A MILLER

ACT I. SCENE II.—A mill by night.

THE MOON (from above).
Who grinds so late?
[A door opens.]
MILLER.
The one who owes you flour.
Enter a Dog, barking.

THE MOON.
I lent it white. [Exit Dog.
MILLER (aside).
(Vase.)
And white it shall return. MOON. Return it, then.

MOON.
I wait. MILLER. So wait."""
    spoken = " ".join(clean_text(text)[0].split())
    assert spoken == (
        "Who grinds so late? The one who owes you flour. I lent it white. And white it shall return. "
        "Return it, then. I wait. So wait."
    )


@pytest.mark.parametrize(
    "text",
    [
        "Sweet land: let me hold you\nin the deepest music\n\nSweet land: you are worth\nthe river of your bread\n" * 3,
        "II.\nthe sea\nIII.\nthe sky\n\nII.\nthe sea\nIII.\nthe sky",
        "Rain. The roof is old\nand nobody minds.\nSalt. The sea is old\nand nobody sails.\nRain. We wait for rain.",
        "She went and he stayed\n\nFarewell.\n\nHe went and she stayed\n\nFarewell.",
        "the road is long\nthe night is near\nAdieu.\n\nthe road is short\nthe night is here\nFarewell.\n\n" * 3,
        "Mr. Crow went out\nMrs. Crow went in\n" * 4,
    ],
)
def test_names_called_refrains_and_headings_are_no_speakers(text):
    assert drop_stage_text(text) == text


def test_the_anthology_has_no_drama():
    for language in LANGUAGES:
        for poem in read_poems(language):
            assert drop_stage_text(poem.text) == poem.text


def test_the_report_counts_dialogues_and_shows_one(tmp_path):
    spoken = [[f"the lamp number {number} burns in the kitchen", "and nobody comes home"] for number in range(6)]
    record = {"source": "attic", "text": dialogue("HE.\n{}", ("HE", "SHE"), spoken), "declared_language": "en"}
    fields = dict.fromkeys(("url", "title", "author", "collection", "year", "style", "licence"))
    report = clean_corpus([fields | record], load_params().clean, tmp_path)
    rule = report["rules"]["speakers and stage directions"]
    assert rule["changed"] == 1
    assert rule["examples"][0]["before"].startswith("HE.")

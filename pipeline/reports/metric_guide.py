"""What a reader needs of each figure: its name in words, how it is written, what is better, what it says.

docs/figures.md has the definitions and their sources.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "near people's"]


@dataclass(frozen=True)
class Figure:
    """How a figure is shown.

    Attributes:
        label: its name in words.
        group: the heading it stands under.
        better: which way is good.
        meaning: what it says, in one sentence.
        share: whether it is a share in [0, 1], written as a percentage.
        main: whether it has a chart and counts in comparisons; others stand in the table of all numbers alone.
    """

    label: str
    group: str
    better: Better
    meaning: str
    share: bool = True
    main: bool = True

    def shown(self, value: float) -> str:
        """The value as it is written."""
        if self.share:
            return f"{value:.1%}" if 0 < abs(value) < 0.1 else f"{value:.0%}"
        if value == int(value):
            return f"{value:.0f}"
        return f"{value:#.3g}" if abs(value) < 10 else f"{value:.1f}"


def _lengths(what: str) -> str:
    return f"How far the lengths of {what} are from people's, on average."


FIGURES: dict[str, Figure] = {
    "bits_per_byte": Figure(
        "Bits per byte", "Fit", "lower", "How surprised the model is by poems it has not seen.", share=False
    ),
    "language_adherence": Figure(
        "Wholly in its language", "Language", "higher", "Poems in the language asked for, down to every line."
    ),
    "foreign_lines": Figure(
        "Lines in another language", "Language", "lower", "Lines in another of the corpus's languages."
    ),
    "seq_rep_4": Figure("Repeated 4-grams", "Repetition", "near people's", "Four words on end that came before."),
    "repeated_lines": Figure("Repeated lines", "Repetition", "near people's", "Lines that came before in the poem."),
    "loops": Figure("Poems in a loop", "Repetition", "lower", "Poems that are stuck; a refrain is no loop."),
    "ended": Figure("Ended by itself", "Shape", "higher", "Poems with an end, rather than cut off by the limit."),
    "words_a_line_distance": Figure("Words a line", "Shape", "lower", _lengths("lines, in words,"), share=False),
    "lines_a_stanza_distance": Figure("Lines a stanza", "Shape", "lower", _lengths("stanzas, in lines,"), share=False),
    "stanzas_a_poem_distance": Figure("Stanzas a poem", "Shape", "lower", _lengths("poems, in stanzas,"), share=False),
    "rhyme_density": Figure("Rhyme", "Sound", "near people's", "Lines that rhyme with another one nearby."),
    "assonance_density": Figure("Assonance", "Sound", "near people's", "Lines whose last vowels agree with another's."),
    "syllable_regularity": Figure(
        "Regular metre", "Sound", "near people's", "How alike the lines of a poem are in syllables."
    ),
    "distinct_1": Figure("Different words", "Variety", "near people's", "Words that are different, over all poems."),
    "distinct_2": Figure("Different 2-grams", "Variety", "near people's", "Pairs of words that are different."),
    "distinct_3": Figure("Different 3-grams", "Variety", "near people's", "Threes of words that are different."),
    "self_bleu": Figure(
        "Alike for one prompt", "Variety", "near people's", "How alike the poems for one prompt are (self-BLEU)."
    ),
    **{
        f"novel_{n}": Figure(
            f"New {n}-grams",
            "Originality",
            "near people's",
            f"{n} words on end that stand in no training poem.",
            main=n in (5, 9, 13),
        )
        for n in range(5, 14)
    },
    "longest_copied_run": Figure(
        "Longest copied run",
        "Originality",
        "near people's",
        "Words on end as in a training poem, in any of the poems.",
        share=False,
    ),
    "nearest_similarity": Figure(
        "Nearest training poem", "Originality", "near people's", "How like it the training poem most like it is."
    ),
    **{
        f"{part}_match": Figure(
            f"{part.capitalize()} match",
            "Theme",
            "higher",
            f"{what} closer in meaning than another poem's would be; 50% is chance.",
        )
        for part, what in (
            ("title", "The poem and the title asked for are"),
            ("opening", "The first line and the rest are"),
            ("stanza", "A stanza and the next are"),
        )
    },
    "author_accuracy": Figure(
        "Sounds like its author", "Style", "higher", "Poems a classifier gives to the author asked for."
    ),
    "style_accuracy": Figure(
        "Written in its form", "Style", "higher", "Poems a classifier finds in the form asked for."
    ),
}


def figure(name: str) -> Figure:
    """The figure of a name; one that is not described here is shown as a number by its own name."""
    return FIGURES.get(name) or Figure(name.replace("_", " ").capitalize(), "Others", "near people's", "", share=False)

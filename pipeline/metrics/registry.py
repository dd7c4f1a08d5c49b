"""Every metric, defined once: its name, label, direction, unit, meaning and source.

Gates, reports, plots, descriptions of versions and the tables of docs/metrics.md all read this registry.

    python -m pipeline.metrics.registry [PAGE]

prints those tables, or writes them between the markers of a Markdown page. Importing this module loads nothing heavy.
"""

import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from pipeline.common.stage import BadInput, stage, whole_file

Direction = Literal["lower", "higher", "near human"]
Unit = Literal["share", "score", "bits", "words", "lines", "stanzas"]  # shares and scores are in [0, 1]

BASE, TUNED, CHAMPION, HUMAN = "base", "tuned", "champion", "human"  # whose poems are compared
NOVEL_LENGTHS = range(5, 14)  # words; n of the n-grams that are looked up in the training poems
BEGIN, END = "<!-- begin: python -m pipeline.metrics.registry -->", "<!-- end -->"


@dataclass(frozen=True)
class Metric:
    """What there is to know about a metric.

    Attributes:
        name: its key in params, reports and tables.
        label: its name in words.
        group: the heading it stands under.
        direction: what is better; "near human" means a smaller distance to the value of human poems.
        meaning: what it says, in one sentence for a reader of the report.
        definition: how it is computed.
        source: the paper or library that defines it; empty where the definition is ours.
        main: whether it has a chart and counts in comparisons; the others only stand in the table of all numbers.
    """

    name: str
    label: str
    group: str
    direction: Direction
    unit: Unit
    meaning: str
    definition: str
    source: str = ""
    main: bool = True

    @property
    def goal(self) -> str:
        """The direction as a sentence."""
        return (
            "Closer to human is better." if self.direction == "near human" else f"{self.direction.title()} is better."
        )

    def format(self, value: float) -> str:
        """A value as reports show it: a share as a percentage, anything else as a number of three digits or so."""
        if self.unit == "share":
            return f"{value:.1%}" if 0 < abs(value) < 0.1 else f"{value:.0%}"
        if self.unit == "bits":
            return f"{value:.3f}"
        if self.unit == "score":
            return f"{value:.2f}"
        if value == int(value):
            return f"{value:.0f}"
        return f"{value:#.3g}" if abs(value) < 10 else f"{value:.1f}"


def _length_distance(name: str, unit: Unit, part: str) -> Metric:
    return Metric(
        name,
        f"{part.capitalize()} length, distance to human",
        "Shape",
        "lower",
        unit,
        f"How far {part} lengths are from those of human poems, on average, in {unit}.",
        "First Wasserstein distance between the lengths of the poems and those of training poems: how far a length "
        "must move, on average, for both to be spread alike.",
        "Kantorovich, 1942; `scipy.stats.wasserstein_distance`",
    )


def _distinct(n: int) -> Metric:
    grams = "words" if n == 1 else f"{n}-grams"
    return Metric(
        f"distinct_{n}",
        f"Distinct {grams}",
        "Variety",
        "near human",
        "share",
        f"Share of {grams} that are distinct, over all poems of a writer.",
        "Distinct n-grams ÷ n-grams, over equally many poems of each writer, the first 50 words of each. No interval: "
        "a poem drawn twice would count as a copy. Random words score highest, so human poems are the goal.",
        "Li et al., *A Diversity-Promoting Objective Function for Neural Conversation Models*, 2016, §5",
    )


def _novel(n: int) -> Metric:
    return Metric(
        f"novel_{n}",
        f"Novel {n}-grams",
        "Originality",
        "near human",
        "share",
        f"Share of {n}-word sequences that are in no training poem.",
        "Share of a poem's n-grams of words that are in no training poem of its language. New human poems quote and "
        "use set phrases too, so their value is the goal.",
        "McCoy et al., *How Much Do Language Models Copy From Their Training Data?*, 2023; n as in Lu et al., *AI as "
        "Humanity's Salieri*, 2024",
        main=n in (5, 9, 13),
    )


def _match(part: str, label: str, meaning: str, definition: str) -> Metric:
    return Metric(
        f"{part}_match",
        label,
        "Coherence",
        "higher",
        "share",
        f"{meaning}; 50% is chance.",
        definition,
        "embeddings: Reimers & Gurevych, *Sentence-BERT*, 2019; the share is the area under the ROC curve, Hanley & "
        "McNeil, 1982",
    )


def _recognized(field: str, label: str, meaning: str) -> Metric:
    return Metric(
        f"{field}_accuracy",
        label,
        "Style",
        "higher",
        "share",
        meaning,
        "Accuracy of a classifier that learnt authors or forms from the training poems (TF-IDF of character 2- to "
        "4-grams, logistic regression), over the poems requested by an author or form it knows.",
        "classifier: Stamatatos, *A Survey of Modern Authorship Attribution Methods*, 2009, §3; accuracy as a measure "
        "of style: Shen et al., *Style Transfer from Non-Parallel Text by Cross-Alignment*, 2017",
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "bits_per_byte",
            "Bits per byte",
            "Fit",
            "lower",
            "bits",
            "How badly the model predicts test poems.",
            "−log₂ of the probability the model gives the test poems, each after its header, ÷ their UTF-8 bytes. "
            "Comparable between tokenizers.",
            "Gao et al., *The Pile*, 2020, §3.1",
        ),
        Metric(
            "language_adherence",
            "Wholly in its language",
            "Language",
            "higher",
            "share",
            "Share of poems in the requested language, down to every line.",
            "Share of poems that are detected as the requested language among `tag.candidates` and have no foreign "
            "line.",
            "detector: langdetect (Shuyo, 2010), as in the stage `tag`",
        ),
        Metric(
            "foreign_lines",
            "Lines in another language",
            "Language",
            "lower",
            "share",
            "Share of lines in another of the corpus's languages.",
            "Share of a poem's lines in another of the corpus's languages, over lines of four words or more.",
            "detector: langdetect (Shuyo, 2010), as in the stage `tag`",
        ),
        Metric(
            "seq_rep_4",
            "Repeated 4-grams",
            "Repetition",
            "near human",
            "share",
            "Share of four-word sequences that repeat an earlier one.",
            "1 − distinct 4-grams ÷ 4-grams of words in a poem. Refrains repeat too, so human poems are the goal.",
            "Welleck et al., *Neural Text Generation with Unlikelihood Training*, 2020, §6",
        ),
        Metric(
            "repeated_lines",
            "Repeated lines",
            "Repetition",
            "near human",
            "share",
            "Share of lines that repeat an earlier one.",
            "Share of a poem's lines that came before in it, ignoring case and punctuation.",
        ),
        Metric(
            "loops",
            "Poems stuck in a loop",
            "Repetition",
            "lower",
            "share",
            "Share of poems that are stuck; a refrain is not a loop.",
            "Share of poems that are stuck. A line is stuck when it comes again after two or more occurrences and at "
            "most half of the lines since the last one were new; a phrase of up to 16 words, when it comes four times "
            "in a row. Refrains follow new lines and do not count.",
        ),
        Metric(
            "ended",
            "Ended on its own",
            "Shape",
            "higher",
            "share",
            "Share of poems that the model ended before the length limit cut them off.",
            "Share of poems that the model ended before `generation.max_words` or another limit cut them off.",
        ),
        _length_distance("words_per_line_distance", "words", "line"),
        _length_distance("lines_per_stanza_distance", "lines", "stanza"),
        _length_distance("stanzas_per_poem_distance", "stanzas", "poem"),
        Metric(
            "rhyme_density",
            "Rhyme",
            "Sound",
            "near human",
            "share",
            "Share of lines that rhyme with one nearby.",
            "Share of lines that rhyme with another at most four lines away: all sounds from the last stressed vowel "
            "on are the same. A word does not rhyme with itself. Free verse is good verse, so human poems are the "
            "goal.",
        ),
        Metric(
            "assonance_density",
            "Assonance",
            "Sound",
            "near human",
            "share",
            "Share of lines whose last vowels agree with those of a line nearby.",
            "Spanish only: share of lines whose stressed and last vowels agree with those of another at most two lines "
            "away, as in romances and coplas.",
            "Quilis, *Métrica española*, 1984",
        ),
        Metric(
            "syllable_regularity",
            "Regular metre",
            "Sound",
            "near human",
            "score",
            "How alike the lines of a poem are in syllables.",
            "1 − standard deviation ÷ mean of the syllables of a poem's lines, at least 0; 1 where all lines are "
            "equally long.",
            "coefficient of variation: Pearson, 1896",
        ),
        *map(_distinct, (1, 2, 3)),
        Metric(
            "self_bleu",
            "Self-BLEU",
            "Variety",
            "near human",
            "score",
            "How similar the poems for one prompt are to each other.",
            "BLEU of each sample of a prompt against the others, averaged over samples and prompts. Nobody wrote human "
            "poems for the prompts: their value is that of unrelated poems, below which only word salad goes.",
            "Zhu et al., *Texygen*, 2018, §3, by `sacrebleu`; human text as the goal: Holtzman et al., *The Curious "
            "Case of Neural Text Degeneration*, 2020, §5",
        ),
        *map(_novel, NOVEL_LENGTHS),
        Metric(
            "longest_copied_run",
            "Longest copied run",
            "Originality",
            "near human",
            "words",
            "The longest run of words, over all poems, that is also in a training poem.",
            "The most consecutive words, over all poems of a writer, that are also in one training poem; 0 below five. "
            "`copied_text` in the table has each poem's.",
        ),
        Metric(
            "nearest_similarity",
            "Similarity to nearest training poem",
            "Originality",
            "near human",
            "score",
            "How similar the words of a poem are to those of the most similar training poem.",
            "Cosine of the TF-IDF vectors of the words of a poem and of the most similar training poem, which the "
            "table shows beside it.",
            "Salton & Buckley, *Term-Weighting Approaches in Automatic Text Retrieval*, 1988",
        ),
        _match(
            "title",
            "Fits its title",
            "Share of other poems that fit the requested title less well than the poem itself",
            "Share of the writer's other poems that are less similar to the requested title than this poem is.",
        ),
        _match(
            "opening",
            "Fits its first line",
            "Share of other poems that fit a poem's first line less well than its own other lines",
            "Share of the writer's other poems that are less similar to the first line, which for prompts is the "
            "prompt, than the rest of this poem is.",
        ),
        _match(
            "stanza",
            "Stanzas fit together",
            "Share of stanzas of other poems that fit a stanza less well than the next one",
            "Share of the stanzas of the writer's other poems that are less similar to a stanza than the next one is.",
        ),
        _recognized("author", "Recognizable author", "Share of poems that a classifier gives to the requested author."),
        _recognized(
            "style", "Recognizable form", "Share of poems that a classifier finds to be in the requested form."
        ),
    )
}


def markdown() -> str:
    """The registry as Markdown: a heading and a table for each group, with metrics of one definition in one row."""
    parts = []
    for group, members in groupby(METRICS.values(), key=lambda metric: metric.group):
        rows = ["| metric | better | unit | definition | source |", "| --- | --- | --- | --- | --- |"]
        for definition, family in groupby(members, key=lambda metric: metric.definition):
            metrics = list(family)
            names = [f"`{metric.name}`" for metric in metrics]
            listed = f"{names[0]} … {names[-1]}" if len(names) > 3 else ", ".join(names)
            units = ", ".join(dict.fromkeys(metric.unit for metric in metrics))
            rows.append(f"| {listed} | {metrics[0].direction} | {units} | {definition} | {metrics[0].source} |")
        parts.append(f"### {group}\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


@stage
def main() -> None:
    if len(sys.argv) == 1:
        print(markdown())
        return
    page = Path(sys.argv[1])
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BadInput(str(page), f"no lines {BEGIN!r} and {END!r}", "Add them where the tables should stand")
    with whole_file(page) as partial:
        partial.write_text(f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()

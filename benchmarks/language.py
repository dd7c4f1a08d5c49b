"""Which tagger keeps the right poems: ours, plain langdetect, py3langid and lingua on one labelled set.

    python -m benchmarks.language [TABLE] [--poems 150] [--half "held out"] [--write docs/results/language.md]

takes a table of clean poems (data/clean/poems.parquet) in the languages that their sources declare, and makes of it:
whole poems and their last four lines (an epigraph stands before the first), which belong; and mixtures, in which
stretches of whole lines come from a poem of another language, which do not. Beside them stands short verse
(benchmarks/verse.yaml) in old Spanish, in English of old or of the country, and in languages that a source of English
or Spanish poems may hold undeclared, alone and mixed in. Every tagger knows what the source declares, and keeps a
poem that it finds to be in that language.

Poems and verse are in two halves: `development`, to look at while working on the tagger, and `held out`, to judge it.
A few sources declare as English what is Latin or Scots: the labels stay as declared, and a second recall leaves out
what a reader found not to belong (benchmarks/doubtful_labels.yaml), whichever tagger kept it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from zlib import crc32

import pandas as pd
from ruamel.yaml import YAML
from scipy.stats import binomtest

from benchmarks.page import markdown, write_page
from pipeline.common.params import Params, load_params
from pipeline.common.tables import read_table
from pipeline.language.detector import divide, profiles
from pipeline.tag import read_poems, tag_poems

HALVES = ("development", "held out")
VERSE = Path(__file__).with_name("verse.yaml")
DOUBTFUL = Path(__file__).with_name("doubtful_labels.yaml")
STRANGERS = (0.01, 0.02, 0.05, 0.1)  # shares of a corpus that do not belong; the set has far more than any source
SHARES = (0.2, 0.25, 0.33, 0.5)  # of the lines in a mixture that are foreign
# Who write in Scots too, which their source declares English: poems of theirs have no certain label.
UNCERTAIN = ("Robert Burns", "Violet Jacob", "George MacDonald", "David Rorie M.D.")
UNPROFILED = ("gl", "la")  # in the set, and not among langdetect's profiles; the others may know them
Tagger = Callable[[pd.DataFrame], list[bool]]  # from poems with their declared languages to which of them are kept


def mixture(own: str, other: str, share: float, random: Random) -> str | None:
    """Replace a stretch of `own` by lines of `other` that make up `share` of all lines; None where lines lack.

    Lines of one or two words, such as numbers of sections, are in no language and stay out.
    """
    lines, foreign = own.split("\n"), [line for line in other.split("\n") if len(line.split()) > 2]
    verses = [place for place, line in enumerate(lines) if line]
    count = -int(-share * len(verses) // 1)  # rounded up, so that the share is reached
    if count > len(foreign) or len(verses) < 4:
        return None
    start = random.randrange(len(verses) - count + 1)
    for place, line in zip(verses[start : start + count], foreign, strict=False):
        lines[place] = line
    return "\n".join(lines)


def halve(poems: pd.DataFrame, half: str) -> pd.DataFrame:
    """The poems of a half whose labels are certain, each in the same half whatever else the table has."""
    inside = poems["text"].map(lambda text: HALVES[crc32(text.encode()) % 2] == half)
    return poems[inside & ~poems["author"].isin(UNCERTAIN)]


def labelled_poems(poems: pd.DataFrame, count: int, half: str, seed: int = 0) -> Iterator[dict[str, object]]:
    """The set as rows of `kind`, `declared_language`, `text`, `keep`, `title`, `author`, `found` and `belongs`.

    The last two say what a reader found, and are None where none looked.

    Args:
        poems: clean ones of the half, whose declared languages are right.
        count: drawn for each language and kind, at most.
        half: of the verse, one of `HALVES`.
        seed: of the draw.
    """
    random = Random(seed)
    doubtful = {(entry.pop("author"), entry.pop("title")): entry for entry in YAML(typ="safe").load(DOUBTFUL)}
    texts = {code: group["text"].tolist() for code, group in poems.groupby("declared_language")}

    def row(kind: str, declared: str, text: str, keep: bool, **source: object) -> dict[str, object]:
        unread = {"found": None, "belongs": None}
        return {"kind": kind, "declared_language": declared, "text": text, "keep": keep, **unread, **source}

    for own, group in poems.groupby("declared_language"):
        for poem in group.sample(min(count, len(group)), random_state=seed).itertuples():
            source = {"title": poem.title, "author": poem.author} | doubtful.get((poem.author, poem.title), {})
            yield row(f"{own}, whole", own, poem.text, True, **source)
            lines = [line for line in poem.text.split("\n") if line][-4:]
            yield row(f"{own}, four lines", own, "\n".join(lines), True, **source)
        foreign = [text for code in texts if code != own for text in texts[code]]
        for share in SHARES if foreign else ():
            drawn = (mixture(random.choice(texts[own]), random.choice(foreign), share, random) for _ in range(count))
            yield from (row(f"{own}, {share:.0%} foreign lines", own, text, False) for text in drawn if text)
    for kind, entry in YAML(typ="safe").load(VERSE).items():
        own, verses = entry["declared"], entry[half]
        yield from (row(kind, own, verse.rstrip("\n"), entry["keep"]) for verse in verses)
        for _ in range(0 if entry["keep"] else count):
            foreign = "\n".join(random.sample(verses, len(verses)))
            text = mixture(random.choice(texts[own]), foreign, random.choice(SHARES), random)
            if text:
                yield row(f"{own}, {SHARES[0]:.0%} or more {kind} lines", own, text, False)


def taggers(params: Params) -> dict[str, Tagger]:
    """What is compared, each bounded to the same plausible languages."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder  # only `make bench` installs these two
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    candidates = tuple(params.tag.candidates)
    codes = {*candidates, *UNPROFILED}
    langdetect = profiles(divide(candidates)[0])
    langdetect.seed = params.tag.seed
    langid = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    langid.set_languages([code for code in codes if code in langid.nb_classes])
    known = [getattr(IsoCode639_1, code.upper()) for code in codes if hasattr(IsoCode639_1, code.upper())]
    lingua = LanguageDetectorBuilder.from_iso_codes_639_1(*known).build()

    def by_langdetect(text: str) -> str:
        detector = langdetect.create()
        detector.append(text)
        return detector.detect()

    def by_lingua(text: str) -> str | None:
        found = lingua.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else None

    def ours(poems: pd.DataFrame) -> list[bool]:
        readings = read_poems(poems["text"], params.tag, workers=1)
        kept, _ = tag_poems(poems, readings, set(params.languages), params.tag)
        return poems.index.isin(kept.index).tolist()

    def alone(detect: Callable[[str], str | None]) -> Tagger:
        return lambda poems: [
            detect(text) == declared for text, declared in zip(poems["text"], poems["declared_language"], strict=True)
        ]

    return {
        "ours": ours,
        "langdetect": alone(by_langdetect),
        "py3langid": alone(lambda text: langid.classify(text)[0]),
        "lingua": alone(by_lingua),
    }


def share(count: int, of: int) -> str:
    """A share with its 95% interval (Wilson, 1927)."""
    if not of:
        return "–"
    low, high = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count / of:.1%} ({low:.1%}–{high:.1%})"


def precision_in_a_corpus(kept_rightly: float, kept_wrongly: float, strangers: float) -> float:
    """What share of the poems kept belongs, where `strangers` of all poems do not (Bayes' theorem).

    Args:
        kept_rightly: share of the poems that belong that a tagger keeps.
        kept_wrongly: share of those that do not.
        strangers: share of all poems that do not belong.
    """
    right = kept_rightly * (1 - strangers)
    return right / (right + kept_wrongly * strangers)


def report(poems: pd.DataFrame, kept: dict[str, list[bool]], seconds: dict[str, float]) -> str:
    """The tables: how often each tagger is right, here and in a corpus, and what it keeps of each kind."""
    keep, mixed = poems["keep"], poems["kind"].str.contains("%")
    belongs = keep & poems["belongs"].ne(False)  # most have not been looked at
    scores, corpora, kinds = [], [], []
    for name, flags in kept.items():
        passed = pd.Series(flags, index=poems.index)
        scores.append(
            (
                name,
                share(int((passed & keep).sum()), int(passed.sum())),
                share(int((passed & keep).sum()), int(keep.sum())),
                share(int((passed & belongs).sum()), int(belongs.sum())),
                share(int((~passed & mixed).sum()), int(mixed.sum())),
                f"{len(poems) / seconds[name]:,.0f}",
            )
        )
        rates = passed[keep].mean(), passed[~keep].mean()
        corpora.append((name, *(f"{precision_in_a_corpus(*rates, strangers):.2%}" for strangers in STRANGERS)))
    for kind, group in poems.groupby("kind", sort=False):
        shares = (f"{pd.Series(flags, index=poems.index)[group.index].mean():.0%}" for flags in kept.values())
        kinds.append((kind, len(group), "keep" if group["keep"].all() else "reject", *shares))
    right = ("tagger", "precision", "recall", "recall by a reader's labels", "mixtures caught", "poems a second")
    about = (
        f"{len(poems):,} poems, {keep.sum():,} of them to keep. Precision: what share of those kept are to be kept. "
        "Recall: what share of those to be kept are; by a reader's labels, without the "
        f"{(keep & ~belongs).sum()} that a reader found not to belong. With 95% intervals.\n\n"
    )
    ours = pd.Series(kept["ours"], index=poems.index)
    lost = poems[keep & ~ours].fillna("–")
    named = ("kind", "author", "title", "first line", "a reader finds")
    wrong = lost.assign(first=lost["text"].str.split("\n").str[0])[["kind", "author", "title", "first", "found"]]
    return (
        f"{about}{markdown(right, scores)}\n"
        "Precision in a corpus of which a smaller share does not belong, in the same kinds:\n\n"
        f"{markdown(('tagger', *(f'{strangers:.0%}' for strangers in STRANGERS)), corpora)}\n"
        f"Kept, by kind:\n\n{markdown(('kind', 'poems', 'right', *kept), kinds)}\n"
        "Ours rejects, of what its source declares in its language:\n\n"
        f"{markdown(named, list(wrong.itertuples(index=False)))}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?", default=Path("data/clean/poems.parquet"))
    parser.add_argument("--poems", type=int, default=150, help="for each language and kind")
    parser.add_argument("--half", choices=HALVES, default=HALVES[1])
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    arguments = parser.parse_args()
    half = halve(read_table(arguments.table), arguments.half)
    poems = pd.DataFrame(labelled_poems(half, arguments.poems, arguments.half))
    poems = poems.assign(poem_id=poems.index.astype(str))
    kept, seconds = {}, {}
    for name, tagger in taggers(load_params()).items():
        tagger(poems.head(20))  # what is loaded on first use is no part of the speed
        start = time.perf_counter()
        kept[name] = tagger(poems)
        seconds[name] = time.perf_counter() - start
    tables = report(poems, kept, seconds)
    print(tables)
    if arguments.write:
        write_page(arguments.write, "Which poems are kept: four taggers on one set", "benchmarks.language", tables)


if __name__ == "__main__":
    main()

"""Verse for the stage: what of it is spoken, and the names, directions and scene headings that are not."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

_CAPITAL = "A-ZÁÉÍÓÚÜÑÆŒ"
_SIDE = r"(?:\s*(?:\([^()\n]{1,60}\)|\[[^\[\]\n]{1,60}\]))?"  # how or to whom it is said
_SHOUTED = re.compile(
    rf"(?P<name>[{_CAPITAL}][{_CAPITAL}'’]*\.?(?: [{_CAPITAL}\d][{_CAPITAL}'’]*\.?){{0,3}}?){_SIDE}"
    r"\s*(?P<end>[.:]\s?(?:[—–]|--?)|[.:]|[—–]|--|\s-(?=$)|(?=$))\s*(?P<speech>.*)"
)
_CAPITALISED = re.compile(
    rf"(?P<name>(?:The |El |La )?[{_CAPITAL}][\w'’]*(?:\.? (?:(?:of|the|de|del|la)\ )?[{_CAPITAL}\d][\w'’]*){{0,2}}?)"
    rf"{_SIDE}(?P<end>[.:]\s?(?:[—–]|--?)|[.:])\s*(?P<speech>.*)"
)
_OPENING = re.compile(rf"[{_CAPITAL}](?:.*[.:]|[{_CAPITAL}'’]*(?:[\s([—–-]|$))")  # of every line that either can match
_NO_NAME = re.compile(
    r"[IVXLCDM]+|(?:the )?(?:(?:anti)?strophe|str|ant|epode|(?:counter-)?turn|stand|canto|book|part|argument)\b.*"
    r"|mrs?|drs?|sra?|sta?|do[nñ]a?",
    re.I,
)
_ORDINAL = (
    r"(?:[IVXLC]+|\d+|first|second|third|fourth|fifth|last|primer[oa]?|segund[oa]|tercer[oa]?|cuart[oa]|quint[oa]"
    r"|[úu]nic[oa]|[úu]ltim[oa])"
)
_MOVES = r"(?:(?:re-?)?enters?|exit|exeunt|sale[n]?|vase|vanse|entra[n]?|tel[óo]n|curtain)"
_STAGE = re.compile(
    rf"(?i:(?:act|scene|sc\.|acto|escena|cuadro|jornada) (?:the )?{_ORDINAL}\b.*)|SCENE\b.*|ESCENA\b.*"
    rf"|\[(?![IVXLC\d]+\.?\])[^\[\]]{{1,300}}\]?|\((?i:{_MOVES}|aside|aparte|dentro|within)\b[^()]{{0,200}}\)"
    rf"|(?i:exit|exeunt|vase|vanse)\b.{{0,80}}|(?:Re-?)?(?:Enter|ENTER) (?:an? |the )?[{_CAPITAL}].{{0,200}}"
)
_ASIDE = re.compile(
    r" ?\[[^\[\]\n]{1,120}\]| ?\[(?:Exit|Exeunt|Enter|Aside)\b[^\[\]\n]*$| ?\((?:[Aa]side|[Aa]parte)\.?\)"
)
_PERSONS = re.compile(r"(?:dramatis person(?:ae|æ)|characters|personajes|personas|persons represented)[.:]?", re.I)


class _Label(NamedTuple):
    """A line's beginning that may name who speaks; labels of one poem have one shape."""

    line: int
    name: str
    shape: tuple[bool, str, bool]  # in capitals, what ends it, alone on its line
    speech: str


def drop_stage_text(text: str) -> str:
    """In a dialogue, drop the names of its speakers, stage directions and scene headings; what is spoken stays.

    A text counts as a dialogue where two names or more come again, by turns, each before what it says.
    """
    while (spoken := _without_stage_text(text)) != text:
        text = spoken
    return text


def _without_stage_text(text: str) -> str:
    lines = text.split("\n")
    stripped = [line.strip() for line in lines]
    labels = [
        label for number, line in enumerate(stripped) if _OPENING.match(line) and (label := _label(number, stripped))
    ]
    speeches = {label.line: label for label in _of_speakers(labels, text)}
    if not speeches:
        return text
    first = min(speeches)
    # Persons stand before the play, up to the heading of its first scene or to the first speech.
    persons = next((number for number, line in enumerate(lines[:first]) if _PERSONS.fullmatch(line.strip())), first)
    shouted = {label.name for label in speeches.values() if label.shape[0] and label.shape[1] == "."}
    names = "|".join(map(re.escape, sorted(name for name in shouted if len(name) > 2)))
    within = re.compile(rf"(?<=[\s.!?;,—-])(?:{names})\. ?") if names else None
    kept = []
    for number, line in enumerate(lines):
        spoken = speeches[number].speech if number in speeches else line
        bare = spoken.strip()
        if persons <= number < first or any(map(_STAGE.fullmatch, (line.strip(), bare))):
            spoken = ""
        elif bare:
            spoken = " ".join(_ASIDE.sub("", within.sub(" ", spoken) if within else spoken).split())
        kept.append(spoken)
    return "\n".join(kept)


def _label(number: int, lines: list[str]) -> _Label | None:
    line, before, after = (lines[k] if 0 <= k < len(lines) else "" for k in (number, number - 1, number + 1))
    for pattern in (_SHOUTED, _CAPITALISED):
        found = pattern.fullmatch(line)
        if not found or _NO_NAME.fullmatch(name := found["name"].rstrip(".")):
            continue
        end, speech = found["end"].strip()[:1] or ("." if found["name"].endswith(".") else ""), found["speech"]
        closes_stanza = not speech and before and not after  # as a refrain does, and who speaks does not
        goes_on = found["end"] == "." and speech[:1].islower()
        if not closes_stanza and not goes_on and (end or (not speech and len(name) > 2)):
            return _Label(number, name, (pattern is _SHOUTED, end, not speech), speech)
    return None


def _of_speakers(labels: Sequence[_Label], text: str) -> Iterator[_Label]:
    """The labels that name speakers, of each shape in which most names come again and take turns."""
    by_shape = defaultdict(list)
    for label in labels:
        by_shape[label.shape].append(label)
    for (shouted, _, alone), found in by_shape.items():
        counts = Counter(label.name for label in found)
        speaking = {name for name, count in counts.items() if count > 1}
        if not shouted:  # a word that opens a sentence may also be capitalised, but stands elsewhere too
            speaking = {name for name in speaking if counts[name] > len(re.findall(rf"\b{name.lower()}\b", text))}
        speeches = [label for label in found if label.name in speaking]
        turns = sum(before.name != after.name for before, after in pairwise(speeches))
        least = max(4 if shouted or alone else 6, 0.6 * len(found))
        if len(speaking) > 1 and len(speeches) >= least and turns >= 0.7 * (len(speeches) - 1):
            known = {name.casefold() for name in speaking}
            yield from found if shouted else ()
            yield from (label for label in labels if label.name.casefold() in known and label.shape[2] == alone)

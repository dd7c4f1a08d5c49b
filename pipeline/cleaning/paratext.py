"""What editors set around a poem: prose introductions, dedications, signatures, notes of when and where it arose."""

import re
from collections.abc import Iterable
from itertools import takewhile
from statistics import median

_PROSE_LINE = 200  # characters above which a line is a paragraph
_VERSE_LINE = 100  # characters that most lines of the verse do not have
_VERSE_SHARE = 0.15  # of the text's characters at least; a tale that ends in a couplet is no poem
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre"
    r"|diciembre)"
)
_DATE = re.compile(  # a year, and before it nothing but a place, a month and a day
    rf"(?:(?:[A-ZÁÉÍÓÚÑ][\w'’]*|\d{{1,2}}(?:st|nd|rd|th)?|of|de|del|the|el|la|en|in|a|(?i:{_MONTH}))[\s.,:;&–-]+){{0,8}}"
    r"1[4-9]\d\d(?:[-–/]\d{1,4})?"
)
_NOTE = re.compile(
    r"""(?:freely\ )?(?:translated|imitated|adapted|paraphrased)\b.* | translation | translated\ poem
      | (?:a\ )?translation\ (?:from|of)\b.* | traducci[óo]n(?:\ de\b.*)? | traducid[oa]\b.* | versi[óo]n\ de\b.*
      | (?:imitaci[óo]n|imitado)\ de\b.*
      | from\ the\ (?:french|german|italian|spanish|greek|latin|portuguese|provençal|welsh|irish|gaelic|persian|arabic
          |chinese|japanese|russian|swedish|danish|norse|icelandic|dutch|hebrew|sanscrit|sanskrit)\b.{0,80}
      | from\ ["“'‘«].{1,80} | del?\ (?:libro\ )?[«“"].{1,80}
      | (?:first\ )?(?:written|composed|inscribed|printed|published|escrit[oa]|compuest[oa]|publicad[oa]|recitad[oa])
          \ (?:at|in|on|for|by|upon|during|after|to|en|el|para|por|con)\b.{0,150}
      | (?:to\ the\ )?tune(?:\ of\b|\s?[-–—:.]).{1,80} | air\s?[-–—:].{1,80}
      | (?:audio|escuchar|read\ by|le[íi]do\ por|recitado\ por|en\ la\ voz\ de)\b.{0,60} | fin | finis | the\ end""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACKETED = re.compile(r"\[[^\[\]]+\]")
_SECTION = re.compile(r"\[(?:[IVXLC]+|\d+|\w+)\.?\]")
_NUMERAL = re.compile(r"\W*(?:[IVXLC]+|\d{1,3})\W*")
_DEDICATION = re.compile(r"\([^()]+(?:\([^()]*\)[^()]*)*\)\W?")  # or a subtitle, or the first words of the original
_IN_CAPITALS = re.compile(r"(?!AMEN\b)[^!?\n]{3,}")


def drop_prose_margins(text: str) -> str:
    """Drop paragraphs of prose that stand before or after the verse, such as introductions; prose inside it stays."""
    stanzas = text.split("\n\n")
    head = _margin(stanzas)
    tail = _margin(stanzas[:head:-1])
    verse = stanzas[head : len(stanzas) - tail]
    lengths = [len(line) for stanza in verse for line in stanza.split("\n") if line]
    if len(lengths) < 4 or max(lengths) > _PROSE_LINE or median(lengths) > _VERSE_LINE:
        return text
    return "\n\n".join(verse) if sum(lengths) > _VERSE_SHARE * len(text) else text


def _margin(stanzas: Iterable[str]) -> int:
    """How many stanzas of a single line come first, up to the last of them that is a paragraph of prose."""
    single = takewhile(lambda stanza: "\n" not in stanza, stanzas)
    return max((number for number, line in enumerate(single, 1) if len(line) > _PROSE_LINE), default=0)


def drop_margin_notes(text: str) -> str:
    """Drop notes that stand apart before or after a poem: its number, dedication, date and place, translator, tune."""
    stanzas = text.split("\n\n")
    while len(stanzas) > 1 and (_is_note(stanzas[-1]) or _is_signature(stanzas[-1], stanzas[:-1])):
        stanzas = stanzas[:-1]
    while len(stanzas) > 1 and (_is_note(stanzas[0]) or _is_heading(stanzas[0], stanzas[1:])):
        stanzas = stanzas[1:]
    return "\n\n".join(stanzas)


def _is_heading(stanza: str, below: list[str]) -> bool:
    """Whether a first stanza is a number in a book, a dedication or a subtitle; a poem's own sections have more."""
    if "\n" in stanza:
        return False
    if _NUMERAL.fullmatch(stanza):
        return not any(_NUMERAL.fullmatch(line) for other in below for line in other.split("\n") if line)
    if _DEDICATION.fullmatch(stanza):
        return True
    in_capitals = [other for other in below if _is_line_in_capitals(other)]
    if _is_line_in_capitals(stanza):
        return not in_capitals and not below[0].isupper()
    # The original's first line above what a translator calls the poem.
    return in_capitals == below[:1] and len(below[0].split()) > 2 and len(below) > 1


def _is_signature(stanza: str, above: list[str]) -> bool:
    """Whether a last stanza is one line in capitals, which comes only once and after verse that is not so."""
    return _is_line_in_capitals(stanza) and stanza not in above and not any(map(str.isupper, above[-1].split("\n")))


def _is_line_in_capitals(stanza: str) -> bool:
    return stanza.isupper() and _IN_CAPITALS.fullmatch(stanza) is not None and not _NUMERAL.fullmatch(stanza)


def _is_note(stanza: str) -> bool:
    stanza = stanza.strip()
    if "\n" in stanza:
        return False
    bare = stanza.strip("()[]*-–—.,;: ")
    in_brackets = _BRACKETED.fullmatch(stanza) and not _SECTION.fullmatch(stanza)
    return bool(in_brackets or _DATE.fullmatch(bare) or _NOTE.fullmatch(bare))

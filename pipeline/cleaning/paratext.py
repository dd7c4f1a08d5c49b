"""What editors set around a poem: prose introductions, dedications, signatures, notes of when and where it arose."""

import re
from collections.abc import Iterable
from itertools import pairwise
from statistics import median

_PROSE_LINE = 200  # characters above which a line is a paragraph
_VERSE_LINE = 100  # characters that most lines of the verse do not have
_NARROWEST = 50  # characters in the longest line of prose that was broken into lines
_SLACK = 3  # characters that a full line of it may lack
_SMALL = """
a an the and or but of to in on at by for from with as that which who is was are were be been had has have not it his
her their its this these they he she we i into upon than so if when el la los las un una unos unas y e o u de del al en
con por para que se su sus es fue era ha había no lo le les como más pero sin sobre cuando donde si ni
"""
_SMALL_WORDS = frozenset(_SMALL.split())
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
_EDITORIAL = (
    r"(?:(?:first|re|originally)\s?-?(?:published|printed)|published|printed|written|composed|appeared|edition|ed\."
    r"|text of|ms{1,2}\.|manuscripts?|dated|publicad[oa]|escrit[oa]|compuest[oa]|impres[oa]|edici[óo]n|manuscrito"
    r"|incluid[oa]|recogid[oa]|apareci(?:ó|do|da)|fechad[oa]|versi[óo]n|note|nota|from|de|del)\b"
)
_YEAR = r"(?<!\d)(?:1[4-9]|20)\d\d(?!\d)"
_EDITORS_END = tuple("0123456789]).")
_PLACE_AND_DATE = re.compile(rf"\W*(?:[^,\d]+, |(?:\d{{1,2}} )?(?:de )?{_MONTH}\b)")
_EDITORS_LINE = re.compile(  # where it is a line of a stanza, it names a year, and stands in brackets or ends in it
    rf"\[(?=[^\[\]]*(?:{_YEAR}|{_EDITORIAL}))[^\[\]]*\]|\((?=[^()]*{_EDITORIAL})(?=[^()]*{_YEAR})[^()]*\)"
    rf"|{_EDITORIAL}.*{_YEAR}\W*|[—–-]\s?.{{1,60}}[\s(,]{_YEAR}\W*",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\[[^\[\]]+\]")
_SECTION = re.compile(r"\[(?:[IVXLC]+|\d+|\w+)\.?\]")
_NUMERAL = re.compile(r"\W*(?:[IVXLC]+|\d{1,3})\W*")
_DEDICATION = re.compile(r"\([^()]+(?:\([^()]*\)[^()]*)*\)\W?")  # or a subtitle, or the first words of the original
_IN_CAPITALS = re.compile(r"(?!AMEN\b|(?:L['’ ])?ENV(?:O[IY]|[ÍI]O)\b)[^!?\n]{3,}")  # an envoi heads a last stanza


def is_wrapped_prose(text: str) -> bool:
    """Whether a text is prose that was broken into lines of one width, all of it or most of its paragraphs.

    Nearly every line is then full: the next one's first word would not have fitted. Lines go on in lower case, and end
    in any word, `the` and `of` among them; verse of the same width, free or not, breaks its lines where it wants.
    """
    if not _NARROWEST <= max(map(len, text.split("\n"))) <= _VERSE_LINE:
        return False
    if _is_wrapped(text):
        return True
    return 2 * sum(len(stanza) for stanza in text.split("\n\n") if _is_wrapped(stanza)) > len(text)


def _is_wrapped(text: str) -> bool:
    lines = text.split("\n")
    width = max(map(len, lines))
    if not _NARROWEST <= width <= _VERSE_LINE or len(lines) < 5:
        return False
    inner = [(line, after) for line, after in pairwise(lines) if line and after]
    full = sum(len(line) + 1 + len(after.split(" ", 1)[0]) > width - _SLACK for line, after in inner)
    if len(inner) < 4 or full < (0.75 if len(inner) > 8 else 0.85) * len(inner):
        return False
    going_on = sum(not after[0].isupper() for _, after in inner)
    stopping = sum(line[-1] in ".,;:!?" for line, _ in inner)
    small = sum(line.rsplit(" ", 1)[-1].lower() in _SMALL_WORDS for line, _ in inner)
    return 2 * going_on >= len(inner) and stopping <= 0.7 * len(inner) and small >= 0.15 * len(inner)


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
    """How many stanzas of a single line or of wrapped prose come first, up to the last that is a paragraph of prose."""
    found = 0
    for number, stanza in enumerate(stanzas, 1):
        if _is_wrapped(stanza) or (len(stanza) > _PROSE_LINE and "\n" not in stanza):
            found = number
        elif "\n" in stanza:
            break
    return found


def drop_margin_notes(text: str) -> str:
    """Drop notes set before or after a poem: its number, dedication, date and place, translator, edition, tune."""
    stanzas = text.split("\n\n")
    while len(stanzas) > 1 and (
        stanzas[-1].isdecimal() or _is_note(stanzas[-1]) or _is_signature(stanzas[-1], stanzas[:-1])
    ):
        stanzas = stanzas[:-1]
    while len(stanzas) > 1 and (_is_note(stanzas[0]) or _is_heading(stanzas[0], stanzas[1:])):
        stanzas = stanzas[1:]
    return _without_editors_lines("\n\n".join(stanzas))


def _without_editors_lines(text: str) -> str:
    """The text without the lines of an edition that are set close to its first or its last stanza."""
    if text[:1] != "[" and text[-1:] not in _EDITORS_END:
        return text
    lines = text.split("\n")
    while len(lines) > 3 and lines[-2] and _is_editors_line(lines[-1], lines[-2]):
        lines.pop()
    while len(lines) > 3 and lines[1] and lines[0].startswith("[") and _EDITORS_LINE.fullmatch(lines[0]):
        del lines[0]
    return "\n".join(lines)


def _is_editors_line(line: str, above: str) -> bool:
    if line.isdecimal():  # the page's
        return len(line) < 5 and len(above.split()) > 2
    return line[-1:] in _EDITORS_END and bool(
        _EDITORS_LINE.fullmatch(line) or (_PLACE_AND_DATE.match(line) and _DATE.fullmatch(line.strip("()[]*-–—.,;: ")))
    )


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
        return not in_capitals and not below[0].isupper() and (stanza[-1:] == "." or not below[0][:1].islower())
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

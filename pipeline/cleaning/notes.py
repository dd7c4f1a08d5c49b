"""Notes of editors and the marks that point to them: `[1]`, `(1)`, `word*`, `word²`, and what they say."""

import re

from pipeline.cleaning.characters import until_stable

_END = r"[,.;:!?)\]»”’…\"'—–-]"  # what may stand between a word and its mark
_MARK_SIGN = re.compile(r"[\[*†‡§¹²³⁴-⁹⁰]|\([\d*†‡§]|\d *$", re.M)
_GLUED_MARK = re.compile(r"(?<=[a-zà-ÿ])(?<!\b[Nn]o)([,.;:!?)»”]{1,3})\d{1,3}$")
_NUMBERED_MARK = re.compile(
    r" ?\[(?:\d{1,3}|\*{1,3}|[†‡§]|(?:[Nn]ota?e? )\d{1,3})\]|(?<=[^\s(]) ?\((?:\d{1,2}|\*{1,3}|[†‡§])\)(?!\w)"
)
_LETTERED_MARK = re.compile(r"(?<=[^\s\[(])\[[A-Za-z]{1,2}\](?!\w)")
_SIGN = re.compile("[*†‡§¹²³⁴-⁹⁰]")
_SIGN_MARK = re.compile(
    rf"(?<=\w)({_END}{{0,3}})[*†‡§]{{1,3}}(?=[^\w*]|$)|(?<=[A-Za-zÀ-ÿ])({_END}{{0,3}})[¹²³⁴-⁹⁰]+"
    r"|(?<=[\w,.;:!?»”’]) [†‡]+(?!\w)"
)
_NOTES_HEADING = re.compile(
    r"[\[(]?(?:foot-?notes?|notes?(?: by the editor)?|notas?(?: (?:a pie|al pie|del editor|del autor))?)[\])]?[.:]?",
    re.I,
)
_NOTE_START = re.compile(r"(\[\d{1,3}\]|\{\d{1,3}\}|\(\d{1,3}\)|[\[(]?[*†‡§]{1,3}[\])]?|[¹²³⁴-⁹]+)\s?\w")
_HEADED_NOTE = re.compile(
    r"[(\[]?(?:editor['’]s note|(?:foot)?note|nota(?: del? (?:editor|autor|traductor|la editora))?|n\. ?del? ?[eta]\.)"
    r"\s?(?:[:—–]|\.\s?[—–-])\s*\S.*",
    re.I | re.S,
)
_DATED_BRACKET = re.compile(r"\n\[[^\[\]]{0,600}(?<!\d)1[4-9]\d\d(?!\d)[^\[\]]{0,600}\]\Z")  # of an edition
_NAMED = ("note", "nota", "n. d", "n.d", "n de")  # in every text with a note that says what it is
_NOTE_LINE = re.compile(r"\n *[\[({*†‡§¹²³⁴-⁹]")
_BRACKETED_NOTE = re.compile(
    r"""(?:\n+|\ )?\[(?:
        (?:foot-?note|side-?note|(?:editor|transcriber|translator|author)['’]?s?['’]?\ note|marginal\ note)\b
      | (?:note|nota|n\.\ ?del?\ ?[eta]\.)\ ?\d*\s?[:.—–]
      | nota\ del?\ (?:editor|traductor|autor) | (?:sic|illegible|ilegible)\.?(?=\])
      | (?:first|originally|re-?)\ ?(?:published|printed)\b | (?:re-?)?publicad[oa]\b
      | (?:published|printed|impreso)\ (?:in|at|by|en)\b
      | \d{1,3}\s?[.:]\s?[^\W\d] | [*†‡§]{1,3}\s?[^\W\d]
    )[^\[\]]{0,4000}\]""",
    re.IGNORECASE | re.VERBOSE,
)


def drop_notes(text: str) -> str:
    """Drop what editors say: notes in brackets, below a heading, or below the verse behind a mark that stands in it."""
    return until_stable(_without_notes, text)


def _without_notes(text: str) -> str:
    if "[" in text:
        text = _BRACKETED_NOTE.sub("", text)
    text = _DATED_BRACKET.sub("", text.rstrip())
    lowered = text.lower()
    if any(name in lowered for name in _NAMED):
        lines = text.split("\n")
        if len(lines) > 2 and not lines[1].strip() and _HEADED_NOTE.match(lines[0].strip()):
            return "\n".join(lines[2:])
        for number in range(len(lines) // 2 + 1, len(lines)):
            line = lines[number].strip()
            headed = _HEADED_NOTE.match(line) and (number == len(lines) - 1 or not lines[number - 1].strip())
            if headed or _NOTES_HEADING.fullmatch(line):
                return "\n".join(lines[:number]).rstrip()
    if not _NOTE_LINE.search(text):
        return text
    lines = text.split("\n")
    # Without a heading: the last lines, from one that opens with a mark which stands in the text above.
    for number in range(len(lines) - 1, 0, -1):
        if not lines[number].strip():
            break
        if found := _NOTE_START.match(lines[number].lstrip()):
            return _unmarked("\n".join(lines[:number]).rstrip(), found[1]) or text
    return text


def _unmarked(above: str, mark: str) -> str | None:
    """The text above a note without the mark that points to it; None where it has none."""
    *_, found = (None, *re.finditer(r"(?<=\S) ?" + re.escape(mark) + r"(?![*\w])", above))
    return found and above[: found.start()] + above[found.end() :]


def remove_footnote_marks(text: str) -> str:
    """Remove `[1]`, `word (1)`, `word*`, `word†`, `word²`, `word.3`, `word[A]`; a line that was but a mark goes."""

    def unmarked(text: str) -> str:
        if "[" in text or "(" in text:
            text = _LETTERED_MARK.sub("", _NUMBERED_MARK.sub("", text))
        text = _GLUED_MARK.sub(r"\1", text) if text[-1:].isdigit() else text
        if not _SIGN.search(text):
            return text
        return _SIGN_MARK.sub(lambda match: match[1] or match[2] or "", text)

    if not _MARK_SIGN.search(text):
        return text
    # A line that had text and is left with none goes, so that it opens no gap in its stanza.
    changed = ((line, until_stable(unmarked, line)) for line in text.split("\n"))
    return "\n".join(after for before, after in changed if after.strip() or not before.strip())

"""What typing and setting leave in verse: odd spaces and gaps, marks of emphasis, ornaments, spaced punctuation."""

import re

_LETTER = r"[^\W\d_]"
# The text between two marks: it has no such mark, no space at its ends, and but for `*` no end of a stanza.
_EMPHASIS = {
    mark[-1]: re.compile(
        rf"(?<![^\W_])(?<!{mark})({mark}{{1,3}})(?![\s,.;:!?)\]»”…]|{mark})"
        rf"((?:(?!{mark}{within})[\s\S])*[^\s(\[«“¿¡])(?<!{mark})\1(?![^\W_]|{mark})"
    )
    for mark, within in ((r"\*", ""), ("_", r"|\n\n"), ("~", r"|\n\n"), ("=", r"|\n\n"))
}
_SPACE_BEFORE = re.compile(r"(?<=\S) +([;:!?])(?=\s|$|[»”’)\"'])", re.MULTILINE)
_SIGN = re.compile("[;:!?]")
_FRENCH = 0.8  # share of such signs after a space from which it is no slip
_ODDLY_SPACED = re.compile(rf"[,;:!?.](?:(?<= .)|(?={_LETTER}))|[¿¡] ")  # in every text that one of these changes
_SPACING = (
    (re.compile(r"(?<=\S) +(,)(?=\s|$|[»”’)\"'])", re.MULTILINE), r"\1"),  # none before a sign
    (re.compile(rf"(?<=\w) +([,;])(?={_LETTER})"), r"\1 "),  # but after it
    (re.compile(r"(?<=\w) +\.(?=\s|$)(?! \.)", re.MULTILINE), "."),  # not in `. . .`
    (re.compile(r"(?<![^\s(«“\"'—–-])([¿¡]) +(?=\w)"), r"\1"),
    # What a lost apostrophe left, such as `turn?d` and `we?ll`, is none of these.
    (re.compile(rf"(?<=[a-zà-ÿ])([,;:!?])(?=(?!(?:ll|ve|re)\b){_LETTER}{{2}})"), r"\1 "),
    (re.compile(r"(?<=[a-zà-ÿ]{2})\.(?=[A-ZÀ-Þ][a-zà-ÿ])"), ". "),
)
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_ORNAMENT = re.compile(r"(?=.*[*_~#=•·.\-—–⁂❦])[\s*_~#=•·.\-—–⁂❦]+")


def plain_words(text: str) -> list[str]:
    """Runs of letters and digits, with the apostrophes and hyphens inside a word and none around it."""
    return _WORD.findall(text)


def trim_spaces(text: str) -> str:
    """No space at either end of a line, one between words.

    Indentation goes too: sources disagree on it for the same poem, so a model would only learn the noise.
    """
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def space_stanzas(text: str) -> str:
    """One blank line between stanzas, none at the ends.

    Where a blank line follows every line, the text is double-spaced: the narrowest gaps are line breaks and only the
    wider ones stanza breaks.
    """
    lines: list[str] = []
    gaps: list[int] = []  # blank lines above each line
    gap = 0
    for line in text.split("\n"):
        if not line.strip():
            gap += 1
            continue
        lines.append(line)
        gaps.append(gap)
        gap = 0
    if not lines:
        return ""
    line_gap = min(gaps[1:], default=0) if len(lines) >= 6 else 0
    return lines[0] + "".join(
        ("\n" if above <= line_gap else "\n\n") + line for line, above in zip(lines[1:], gaps[1:], strict=True)
    )


def remove_emphasis(text: str) -> str:
    """`*then*`, `**then**`, `_then_`, `~then~` and `=then=`, which stand for italics and bold, become plain words.

    A mark without its partner stays.
    """
    marks = [emphasis for mark, emphasis in _EMPHASIS.items() if mark in text]
    plain = text
    for emphasis in marks:
        plain = emphasis.sub(r"\2", plain)
    return plain if plain == text else remove_emphasis(plain)


def space_punctuation(text: str) -> str:
    """No space before a comma or the like, one after it, none after `¿` and `¡`.

    Where nearly all of `;:!?` follow a space, it is the print's own way, as in French, and stays.
    """
    if not _ODDLY_SPACED.search(text):
        return text
    spaced = len(_SPACE_BEFORE.findall(text))
    if spaced < 2 or spaced < _FRENCH * len(_SIGN.findall(text)):
        text = _SPACE_BEFORE.sub(r"\1", text)
    for pattern, mended in _SPACING:
        text = pattern.sub(mended, text)
    return text


def blank_ornaments(text: str) -> str:
    """A line of asterisks, dots or dashes alone stands for a break; it becomes one."""
    return "\n".join("" if line and _ORNAMENT.fullmatch(line) else line for line in text.split("\n"))

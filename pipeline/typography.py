"""What typing and setting leave in verse: marks of emphasis, and spaces around punctuation, too many or too few."""

import re

_LETTER = r"[^\W\d_]"
_EMPHASIS = re.compile(r"(?<![\w_~=])([_~=])(?=[^\s_~=])((?:(?!\1|\n\n)[\s\S])*[^\s_~=])\1(?![\w_~=])")
_ODDLY_SPACED = re.compile(rf" [,;:!?.]|[¿¡] |[a-zà-ÿ][,;:!?.]{_LETTER}")  # in every text that one of these changes
_SPACING = (
    (re.compile(r"(?<=\S) +([,;:!?])(?=\s|$|[»”’)\"'])", re.MULTILINE), r"\1"),  # none before a sign
    (re.compile(rf"(?<=\w) +([,;])(?={_LETTER})"), r"\1 "),  # but after it
    (re.compile(r"(?<=\w) +\.(?=\s|$)(?! \.)", re.MULTILINE), "."),  # not in `. . .`
    (re.compile(r"(?<![^\s(«“\"'—–-])([¿¡]) +(?=\w)"), r"\1"),
    # What a lost apostrophe left, such as `turn?d` and `we?ll`, is none of these.
    (re.compile(rf"(?<=[a-zà-ÿ])([,;:!?])(?=(?!(?:ll|ve|re)\b){_LETTER}{{2}})"), r"\1 "),
    (re.compile(r"(?<=[a-zà-ÿ]{2})\.(?=[A-ZÀ-Þ][a-zà-ÿ])"), ". "),
)


def remove_emphasis(text: str) -> str:
    """`_then_`, `~then~` and `=then=`, which stand for italics and bold, become plain words."""
    while (plain := _EMPHASIS.sub(r"\2", text)) != text:
        text = plain
    return text


def space_punctuation(text: str) -> str:
    """No space before a comma or the like, one after it, none after `¿` and `¡`."""
    for pattern, spaced in _SPACING if _ODDLY_SPACED.search(text) else ():
        text = pattern.sub(spaced, text)
    return text

"""What typing and setting leave in verse: marks of emphasis, and spaces around punctuation, too many or too few."""

import re

_LETTER = r"[^\W\d_]"
_MARK = re.compile("[_~=]")
_EMPHASIS = re.compile(r"(?<![\w_~=])([_~=])(?=[^\s_~=])((?:(?!\1|\n\n)[\s\S])*[^\s_~=])\1(?![\w_~=])")
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


def remove_emphasis(text: str) -> str:
    """`_then_`, `~then~` and `=then=`, which stand for italics and bold, become plain words."""
    while _MARK.search(text) and (plain := _EMPHASIS.sub(r"\2", text)) != text:
        text = plain
    return text


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

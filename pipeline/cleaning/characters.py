"""The characters of a text: line breaks, wrong decodings, composition, and what nobody can see."""

import re
import unicodedata
from collections.abc import Callable

import ftfy

from pipeline.cleaning.lost_letters import LOST

# Only what undoes a wrong decoding. Curly quotes, ligatures and fullwidth letters are typography, not dirt.
_FTFY = ftfy.TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)
_LINE_BREAK = re.compile("\r+\n|[\n\r\v\f\x1c-\x1e\u2028\u2029]|(?<![ÂÃÅâ])\x85")  # Ã\x85 is Å, wrongly decoded
_ODD_BREAK = re.compile("[\r\v\f\x1c-\x1e\u2028\u2029\x85]")
_LITERAL_BREAK = re.compile(r"(?:\\+r)?\\+n|\\+r(?![a-z])")
_SLASH = re.compile(r"[ \t]+(([/|])(?:[ \t]*\2)?)[ \t]+")
_TIGHT_SLASH = re.compile(r"(?<=[^\s\d/])(/{1,2})(?=[^\s\d/])")
_TYPICAL = re.compile("[\x00-\x7fÁÉÍÓÚÜÑáéíóúüñïç¡¿«»—–“”‘’…\ufffd]*")
_RARE = re.compile("[^\x00-\u017f\u1e00-\u2bff\ufffd]")  # beyond the letters of Western Europe, punctuation and symbols
_ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0308\u0327")  # that compose with a letter
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_LETTER = r"[^\W\d_]"
# Between two letters a control character stands for one, as U+001A does beside any; NUL and backspace stand for none.
_HIDDEN_LETTER = re.compile(
    rf"(?<={_LETTER})[\x01-\x07\x0e-\x1b\x7f-\x84\x86-\x9f]+(?={_LETTER})"
    rf"|(?<!{LOST})\x1a+(?={_LETTER})|(?<={_LETTER})\x1a+(?!\s*\Z|{LOST})"
)
_TERMINAL = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
_SPACE = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def until_stable(rule: Callable[[str], str], text: str) -> str:
    """Apply a rule again while it finds something, such as an entity that an entity was hiding."""
    for _ in range(10):
        changed = rule(text)
        if changed == text:
            break
        text = changed
    return text


def is_typical(text: str) -> bool:
    """Whether a text has none of the characters that every wrong decoding brings."""
    return _TYPICAL.fullmatch(text) is not None


def unify_line_breaks(text: str) -> str:
    """Every kind of line break becomes `\\n`; `\\r\\r\\n`, which some downloads have, is one break."""
    return _LINE_BREAK.sub("\n", text) if _ODD_BREAK.search(text) else text


def repair_mojibake(text: str) -> str:
    """Undo text that was decoded with the wrong encoding, such as `corazÃ³n`.

    A capital beside a quote or a superscript (`»Él`, `AQUÍ²`) also reads as a letter of another script. So where a
    repair would bring in a script that the text lacks, it is done word by word, and not to that word.
    """
    if is_typical(text):
        return text
    repaired = _decode(text)
    if not _new_scripts(repaired, text):
        return repaired

    def by_word(line: str) -> str:
        whole = _decode(line)
        if not _new_scripts(whole, text):
            return whole
        words = ((word, _decode(word)) for word in line.split(" "))
        return " ".join(word if _new_scripts(decoded, text) else decoded for word, decoded in words)

    return until_stable(lambda text: "\n".join(map(by_word, text.split("\n"))), text)


def _decode(text: str) -> str:
    return until_stable(lambda text: ftfy.fix_text(text, _FTFY), text)


def _new_scripts(repaired: str, text: str) -> bool:
    """Whether a repair has a character of a script that the text has none of."""
    new = {
        sign for sign in set(_RARE.findall(repaired)) - set(text) - _ACCENTS if unicodedata.category(sign)[0] in "LMNC"
    }
    return bool(new) and not {_script(letter) for letter in new} <= {_script(letter) for letter in _RARE.findall(text)}


def _script(letter: str) -> str:
    """The script of a character by its Unicode name: GREEK, CYRILLIC, COMBINING; rare Latin letters count as one."""
    return unicodedata.name(letter, "?").partition(" ")[0]


def compose_unicode(text: str) -> str:
    """Normalisation form C: a letter and its accent are one character."""
    return unicodedata.normalize("NFC", text)


def literal_line_breaks(text: str) -> str:
    """In a text of one line, a literal `\\n` or, between verses, `/` or ` | ` becomes one; `//` parts stanzas."""
    broken = text.strip()
    if "\n" in broken:
        return text
    if "\\" in broken:
        broken = _LITERAL_BREAK.sub("\n", broken).strip()
    if "\n" not in broken and max(broken.count(" /"), broken.count(" |"), broken.count("/")) > 1:
        slash = _SLASH if _SLASH.search(broken) else _TIGHT_SLASH
        verses = [verse.split() for verse in slash.split(broken)[:: slash.groups + 1]]
        # `and / or / not` are alternatives, and so is a word between two slashes without spaces.
        shortest = 2 if slash is _TIGHT_SLASH else 0
        if len(verses) > 2 and sum(map(len, verses)) >= 2 * len(verses) and len(min(verses, key=len)) >= shortest:
            broken = slash.sub(lambda mark: "\n" if len(mark[1]) == 1 else "\n\n", broken)
    return text if broken == text.strip() else broken


def remove_invisible(text: str) -> str:
    """Zero-width and control characters go; tabs, no-break and typographic spaces become plain spaces.

    A control character in a letter's place becomes U+FFFD, so that the lost letter is not forgotten.
    """
    if _CONTROL.search(text):
        text = _CONTROL.sub("", _HIDDEN_LETTER.sub(LOST, _TERMINAL.sub("", text)))
    return _SPACE.sub(" ", _INVISIBLE.sub("", text))

"""Letters lost to U+FFFD, brought back where the corpus leaves one answer.

A wrong decoding turned curly quotes, apostrophes, dashes and accented letters into the same character. Its place in
the line, and the words of the rest of the corpus, show which it was. Where they do not, it stays, and the poem
is judged by `clean.max_broken_share`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

LOST = "\ufffd"
_LETTERS = "áéíóúñüçàèìòùâêîôûäëïöæœ"
_PLAIN = {"a": "áàâä", "e": "éèêë", "i": "íìîï", "o": "óòôö", "u": "úùûü", "ae": "æ", "oe": "œ", "n": "ñ", "c": "ç"}
_DIAERESIS = dict(zip("aeiou", "äëïöü", strict=True))
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_RUN = re.compile(f"{LOST}{{1,2}}")
_LETTERS_BEFORE = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*\Z")
_LETTERS_AFTER = re.compile(r"[^\W\d_]*")

# English words that begin or end in an apostrophe; elsewhere such a place is more likely a quotation's edge.
_BEGIN_WITH_APOSTROPHE = re.compile(
    "tis|twas|twere|twill|twould|twixt|tween|neath|midst?|gainst|mong|em|ere|till?|gan|cause|bout"
)
_END_WITH_APOSTROPHE = re.compile("thro|tho|o|th|wi|i|t|d|altho|an|ol|mak|tak|ha|gi|fu|aw|ca|wa|wha")
_CONTRACTED = re.compile(r"(?:s|d|t|ll|re|ve|m|st|ns?|en|ry|ring|nly|er[a-z]*)$")
_SURE = re.compile(f"[a-z](?:{LOST}(?:s|ll|re|ve)|n{LOST}t)\\b|\\b[oO]{LOST}er|\\b[eE]{LOST}en\\b")
_STRAIGHT = re.compile(r"[a-zA-Z]'[a-z]")


def build_lexicon(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands, whole and in lower case, in the texts; a lost letter is judged by it."""
    lexicon: Counter[str] = Counter()
    for text in texts:
        if LOST not in text:
            lexicon.update(_WORD.findall(text.lower().replace("’", "'")))
    return lexicon


def restore_letters(text: str, lexicon: Mapping[str, int]) -> str:
    """Bring back the characters lost to U+FFFD that have one answer.

    Args:
        text: a clean poem.
        lexicon: what `build_lexicon` counted in the same language.
    """
    if LOST not in text:
        return text
    # Where some apostrophes are lost for sure, all were curly; where some are straight and none is lost, none was.
    apostrophes_lost = bool(_SURE.search(text)) or not _STRAIGHT.search(text)
    double = '"' not in text  # straight double quotes survived: then the lost ones were single
    opening, closing = ("“", "”") if double else ("‘", "’")
    quoted = False

    def restore(match: re.Match[str]) -> str:
        nonlocal quoted
        start, end = match.span()
        found = _LETTERS_BEFORE.search(text[max(0, start - 40) : start])
        left, right = found[0] if found else "", _LETTERS_AFTER.match(text, end)[0]
        before, after = text[start - 1 : start] or "\n", text[end : end + 1] or "\n"
        twice = end - start == 2
        if not left and right and (before.isspace() or before in "([—-"):
            if not twice and _BEGIN_WITH_APOSTROPHE.fullmatch(right.lower()):
                return "’"
            quoted = True
            return opening + ("‘" if double else "“") if twice else opening
        if not left and before in ".,!?;:—-)…" and (after.isspace() or after in ")—-,.;:"):
            quoted = False
            return ("’" if double else "”") + closing if twice else closing
        if twice:
            return match[0]
        if left and right:
            return _inside(left, right, lexicon, apostrophes_lost) or match[0]
        if left:
            letter = _at_end(left, lexicon, quoted, closing, ends_line=after == "\n")
            quoted = quoted and letter != closing
            return letter or match[0]
        if before.isspace() and after.isspace():
            return "à" if text.startswith(" la ", end) else "—"
        return "—" if right and before in "!?;:,." and not quoted else match[0]

    return _RUN.sub(restore, text)


def _inside(left: str, right: str, lexicon: Mapping[str, int], apostrophes_lost: bool) -> str | None:
    """The character lost between two letters."""
    before, after = left.lower(), right.lower()
    accents = {letter: lexicon.get(before + letter + after, 0) for letter in _LETTERS}
    known = max(accents, key=accents.__getitem__)
    apostrophe = lexicon.get(f"{before}'{after}", 0) if apostrophes_lost else 0
    if accents[known] > 10 * apostrophe:
        return known
    if apostrophe or (apostrophes_lost and _CONTRACTED.match(after)):
        return "’"
    plain = {base: lexicon.get(before + base + after, 0) for base in _PLAIN}
    likeliest = max(plain, key=plain.__getitem__)
    if plain[likeliest] > 0.9 * sum(plain.values()):
        return _conventional(likeliest, before, after)
    if not any(plain.values()) and apostrophes_lost and lexicon.get(before, 0) > 4 and lexicon.get(after, 0) > 4:
        return "—"
    return None


def _conventional(base: str, before: str, after: str) -> str | None:
    """The accent that English spelling puts on a letter: `belovèd`, `Laïus`, `Cæsar`; None where it may be another."""
    if base in ("ae", "oe"):
        return _PLAIN[base]
    if base == "e" and after == "d":
        return "è"
    if base in _DIAERESIS and before[-1:] in tuple("aeou"):
        return _DIAERESIS[base]
    return None


def _at_end(left: str, lexicon: Mapping[str, int], quoted: bool, closing: str, ends_line: bool) -> str | None:
    """The character lost after a word's last letter."""
    word = left.lower()
    accents = {letter: lexicon.get(word + letter, 0) for letter in _LETTERS}
    known = max(accents, key=accents.__getitem__)
    if accents[known] > 10 * lexicon.get(word, 0):
        return known
    if _END_WITH_APOSTROPHE.fullmatch(word) and left != "I":
        return "’"
    if quoted:
        return closing
    if word.endswith("in") and lexicon.get(word + "g", 0):
        return "’"
    if not lexicon.get(word, 0):
        return None
    if word.endswith("s"):
        return "’"
    return "—" if ends_line else None

"""The large first letter of a poem, which pages set apart as a picture, a float or an element of its own."""

import re
from urllib.parse import unquote

from lxml.html import HtmlElement

MARK = "\x00"  # stands after an initial, until it is known what follows
INITIAL_CLASS = re.compile(
    r"drop-?_?(?:initial|cap|letter)|initial-?letter|letra-?capital|^(?:capital|letrina|inicial)$"
)
INITIAL_WORDS = re.compile(r"(?i)\b(?:initial|letter|drop|dropcap|cap|capital|letra|inicial|letrina|mayúscula)\b")
LETTER = re.compile(r"\b[^\W\d_]\b")
AFTER_INITIAL = re.compile(rf"([^\W\d_]*){MARK}(\s*)(\w*)")
WORDS_OF_ONE_LETTER = {"en": "aio", "es": "aeouyóá"}
VOWEL = re.compile(r"(?i)[aeiouyáéíóúü]")


def is_initial(element: HtmlElement) -> bool:
    return any(INITIAL_CLASS.search(name) for name in element.get("class", "").lower().split())


def letter_of(image: HtmlElement, within_initial: bool) -> str:
    """The letter that a picture shows, by its alternative text or its file's name; empty if it shows something else.

    Args:
        image: an `img`.
        within_initial: whether the markup around it says that it is an initial.
    """
    described = image.get("alt", "").strip()
    if len(described.strip("«»“”\"'‘’¡¿([—")) == 1 and LETTER.search(described):
        return described
    name = unquote(image.get("src", "").rpartition("/")[2])
    for text in (described, name):
        words = re.sub(r"[\W_]+", " ", re.sub(r"(?i)\.(?:png|jpe?g|svg|gif|webp)\b|^\d+px-", "", text))
        letters = LETTER.findall(words)
        letters = list(filter(str.isupper, letters)) or letters
        if len(letters) == 1 and (within_initial or INITIAL_WORDS.search(words)):
            return letters[0].upper()
    return described if within_initial and re.fullmatch(r"[^\W\d_]{2,3}", described) else ""


def join_initials(text: str, language: str) -> str:
    """Text in which each initial that `MARK` follows stands at its word.

    White space after an initial belongs to the layout, unless the letter is a word: `T he` is "The", `A lamp` is not
    "Alamp".
    """
    words = WORDS_OF_ONE_LETTER.get(language, "aioyeu")

    def joined(found: re.Match[str]) -> str:
        initial, space, rest = found.groups()
        is_word = initial.lower() in words and len(initial) == 1 and VOWEL.search(rest)
        return f"{initial} {rest}" if space and is_word else initial + rest

    return AFTER_INITIAL.sub(joined, text)

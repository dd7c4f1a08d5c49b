"""Which language to write in after a first line."""

from pipeline.common.params import Params
from pipeline.language.detector import read_languages
from pipeline.metrics.text import language_of

# How sure the detector must be that a line is in a language that no model writes. Of 1,200 lines of the anthology 5
# reach it by mistake; of 23 well-known lines in six other languages 18 do.
SURE = 0.9


def language_after(first_line: str, params: Params) -> str | None:
    """The language of a first line, or the first of params.yaml if it has no words.

    Returns:
        Its code; None if the line is in a language that no model writes.
    """
    languages = list(params.languages)
    language = language_of(first_line, languages)
    if language is None:
        return None if any(map(str.isalpha, first_line)) else languages[0]
    [found] = read_languages([first_line.lower()], tuple(params.tag.candidates), seed=0)
    elsewhere = found.language not in languages and found.confidence >= SURE
    return None if elsewhere else language

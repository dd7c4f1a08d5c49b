"""The cleaning rules: named pure functions from text to text, and the chain of them.

Every rule is idempotent, and so is the chain. No rule joins two lines or splits one that stood, and none touches a
word unless its name says so (furniture, notes, introductions, stage directions, a repeated heading, verse numbers).
"""

from collections.abc import Callable
from functools import partial

from pipeline.cleaning.characters import (
    compose_unicode,
    is_typical,
    literal_line_breaks,
    remove_invisible,
    repair_mojibake,
    unify_line_breaks,
)
from pipeline.cleaning.drama import drop_stage_text
from pipeline.cleaning.furniture import drop_furniture
from pipeline.cleaning.headings import drop_repeated_heading
from pipeline.cleaning.markup import may_be_html, remove_markup, unescape_html
from pipeline.cleaning.notes import drop_notes, remove_footnote_marks
from pipeline.cleaning.numbering import drop_far_numbers, drop_page_marks, remove_verse_numbers
from pipeline.cleaning.paratext import drop_margin_notes, drop_prose_margins
from pipeline.cleaning.typography import (
    blank_ornaments,
    remove_emphasis,
    space_punctuation,
    space_stanzas,
    trim_spaces,
)

Rule = Callable[[str], str]

_SPACE_RULES = {"line breaks", "spaces", "stanza breaks"}


def rules_for(title: str | None, author: str | None) -> list[tuple[str, Rule]]:
    """The rules in the order in which they apply to a poem, each with its name in the report."""
    return [
        ("line breaks", unify_line_breaks),
        ("HTML remnants", unescape_html),
        ("literal line breaks", literal_line_breaks),
        ("mojibake", repair_mojibake),
        ("Unicode composition", compose_unicode),
        ("numbers set apart", drop_far_numbers),
        ("invisible characters", remove_invisible),
        ("spaces", trim_spaces),
        ("stanza breaks", space_stanzas),
        ("other markup", remove_markup),
        ("emphasis", remove_emphasis),
        ("notes", drop_notes),
        ("page marks", drop_page_marks),
        ("footnote marks", remove_footnote_marks),
        ("punctuation", space_punctuation),
        ("furniture of sites", drop_furniture),
        ("introductions", drop_prose_margins),
        ("margin notes", drop_margin_notes),
        ("speakers and stage directions", drop_stage_text),
        ("verse numbers", remove_verse_numbers),
        ("ornaments", blank_ornaments),
        ("repeated heading", partial(drop_repeated_heading, title=title, author=author)),
    ]


def clean_text(
    text: str, title: str | None = None, author: str | None = None
) -> tuple[str, dict[str, tuple[str, str]]]:
    """Apply all rules until none finds anything.

    Returns:
        The clean text, and for each rule that changed it the text before and after its first change.
    """
    changes: dict[str, tuple[str, str]] = {}
    for _ in range(10):
        changed_now = set()
        for name, rule in rules_for(title, author):
            changed = rule(text)
            if changed != text:
                changes.setdefault(name, (text, changed))
                changed_now.add(name)
                text = changed
        # What comes after the rules on space has seen the text as it is now; what comes before reads only these signs.
        if not changed_now or (changed_now <= _SPACE_RULES and is_typical(text) and not may_be_html(text)):
            break
    return text, changes


def clean_field(value: str | None) -> str | None:
    """A title, an author's name or the like on one line, with its characters repaired; None where nothing is left."""
    if not value:
        return None
    for rule in (unescape_html, repair_mojibake, unify_line_breaks, compose_unicode, remove_invisible):
        value = rule(value)
    return " ".join(value.split()) or None

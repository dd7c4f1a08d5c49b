"""What the cleaning rules changed, made visible: text removed and added, and invisible characters."""

import difflib
import inspect
import re
import unicodedata
from collections.abc import Iterator
from functools import partial
from typing import Any

from markupsafe import Markup

from pipeline.cleaning.lost_letters import restore_letters
from pipeline.cleaning.rules import rules_for


def rule_rows(rules: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For each cleaning rule its name, what it does, how many poems it changed, and examples."""
    meanings = {name: rule.func if isinstance(rule, partial) else rule for name, rule in rules_for(None, None)}
    meanings["lost letters"] = restore_letters
    for name, rule in rules.items():
        meaning = inspect.getdoc(meanings[name]).split("\n\n")[0].replace("`", "") if name in meanings else ""
        changes = [change(example["before"], example["after"]) for example in rule.get("examples", [])]
        yield {"name": name, "meaning": meaning, "changed": rule["changed"], "changes": changes}


def change(before: str, after: str) -> tuple[Markup, Markup]:
    """A text before and after, with removals and additions marked and invisible characters spelled out."""
    old, new = Markup(), Markup()
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for number, (step, low, high, start, end) in enumerate(steps):
        # Both are cut to one length, so what only one has at its end was neither added nor removed.
        cut_off = 0 < number == len(steps) - 1 and (low == high or start == end)
        if step == "equal" or cut_off:
            old, new = old + visible(before[low:high]), new + visible(after[start:end])
            continue
        if low < high:
            old += Markup("<del>{}</del>").format(visible(before[low:high], changed=True))
        if start < end:
            new += Markup("<ins>{}</ins>").format(visible(after[start:end], changed=True))
    return old, new


def visible(text: str, changed: bool = False) -> str:
    """A text with symbols for its control characters and, where they changed, for its spaces and line breaks."""

    def sign(found: re.Match[str]) -> str:
        character = found[0]
        if character == "\n":
            return "↵\n" if changed else "\n"
        if character == " ":
            return "␣" if changed else " "
        seen = unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cn", "Cs", "Zs", "Zl", "Zp")
        return character if seen else f"⟨U+{ord(character):04X}⟩"

    return re.sub(r"[^\w,.;:!?]", sign, text)

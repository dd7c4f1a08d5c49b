"""The cleaning rules: named pure functions from text to text, and the chain of them.

Every rule is idempotent, and so is the chain. No rule joins two lines or splits one that stood, and none touches a
word unless its name says so (boilerplate, notes, introductions, stage directions, a repeated heading, verse numbers).
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import ftfy

from pipeline.cleaning.drama import drop_stage_text
from pipeline.cleaning.paratext import drop_margin_notes, drop_prose_margins
from pipeline.cleaning.typography import remove_emphasis, space_punctuation

Rule = Callable[[str], str]

_SPACE_RULES = {"line breaks", "spaces", "stanza breaks"}

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
_SLASH = re.compile(r"[ \t]+(/(?:[ \t]*/)?)[ \t]+")
_TYPICAL = re.compile("[\x00-\x7fÁÉÍÓÚÜÑáéíóúüñïç¡¿«»—–“”‘’…\ufffd]*")
_RARE_LETTER = re.compile("[\u0180-\u02af]")
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_SPACE = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_HTML = re.compile("[<&]")
_BREAKING_TAG = re.compile(r"[ \t]*<(?:br|/p|/div|/li|/tr)\s*/?>[ \t]*(?:\r*\n)?", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|center|cite|div|em|font|h[1-6]|hr|html|i|img|li|ol|p|poem|pre|q|ref|s|small"
    r"|span|strong|sub|sup|table|tbody|td|th|tr|u|ul)(?:\s[^<>\n]*)?/?>|<!--[^\n]*?-->",
    re.IGNORECASE,
)
_ORNAMENT = re.compile(r"(?=.*[*_~#=•·.\-—–⁂❦])[\s*_~#=•·.\-—–⁂❦]+")
_MARK_SIGN = re.compile(r"[\[*†‡¹²³⁴-⁹⁰0-9]")
_GLUED_MARK = re.compile(r"(?<=[a-zà-ÿ])(?<!\b[Nn]o)([,.;:!?)»”]{1,3})\d{1,3}$")
_NUMBERED_MARK = re.compile(r" ?\[(?:\d{1,3}|\*{1,3}|[†‡§]|(?:[Nn]ota?e? )\d{1,3})\]")
_LETTERED_MARK = re.compile(r"(?<=[^\s\[(])\[[A-Za-z]{1,2}\](?!\w)")
_SIGN_MARK = re.compile(r"(?<=\w)([,.;:!?]?)[*†‡]{1,3}(?=\W|$)|(?<=[A-Za-zÀ-ÿ])([,.;:!?]?)[¹²³⁴-⁹⁰]+")
_NOTES_HEADING = re.compile(
    r"[\[(]?(?:foot-?notes?|notes?(?: by the editor)?|notas?(?: (?:a pie|al pie|del editor|del autor))?)[\])]?[.:]?",
    re.I,
)
_NOTE_START = re.compile(r"(\[\d{1,3}\]|\(\d{1,3}\)|[*†‡]{1,3}|[¹²³⁴-⁹]+)\s?\w")
_BRACKETED_NOTE = re.compile(r"\n*\[Footnote[^\[\]]{0,4000}\]", re.I)

# Whole lines only, so that no verse which merely holds such a word is touched.
_NAVIGATION = re.compile(
    r"""[←→«»‹›<>|↑^▲◄►\s-]*(?:
        back\ to\ (?:top|contents|index|home|poems|(?:the\ )?(?:top|index|contents|list|table)(?:\ of\ .{1,30})?)
      | (?:previous|next)(?:\ (?:poem|page|chapter|section|work|sonnet))? | (?:previous|next)\s*:\s.{1,80}
      | (?:previous|prev)\s*[|/·]\s*.{0,40}next | table\ of\ contents | home\ ?page | main\ page | read\ more
      | print\ this(?:\ (?:page|poem))? | (?:log|sign)\ ?in | sign\ ?up | share(?:\ this(?:\ (?:page|poem))?)?
      | share\ on\ (?:facebook|twitter|x|whatsapp|pinterest) | tweet | add\ (?:a\ )?comments? | comments\ \(\d+\)
      | (?:skip|jump)\ to\ (?:main\ )?(?:content|navigation|search) | follow\ us(?:\ on\ .{1,20})? | \[edit\]
      | rate\ this\ poem | (?:more|all)\ poems\ by\ .{1,60}
      | volver(?:\ (?:arriba|al\ (?:[íi]ndice|inicio|men[úu]|listado)|a\ (?:la\ portada|poemas|la\ lista|los\ poemas))
          (?:\ de\ .{1,40})?)?
      | (?:poema|p[áa]gina|cap[íi]tulo)?\ ?(?:anterior|siguiente) | (?:anterior|siguiente)\s*:\s.{1,80}
      | anterior\s*[|/·]\s*.{0,40}siguiente | compartir(?:\ en\ .{1,20})? | [íi]ndice | imprimir | portada
      | p[áa]gina\ principal | ir\ a\ la\ navegaci[óo]n | saltar\ al\ contenido | leer\ m[áa]s | comentarios\ \(\d+\)
      | s[íi]guenos(?:\ en\ .{1,20})? | iniciar\ sesi[óo]n | \[editar\] | (?:todos\ los|m[áa]s)\ poemas\ de\ .{1,60}
    )[←→«»‹›<>|↑^▲◄►\s:-]*""",
    re.IGNORECASE | re.VERBOSE,
)
# One of these stands in every line that `_LEGAL` finds; to look for them takes a sixth of the time.
_LEGAL_SIGNS = (
    *("http", "www.", "©", "(c)", "copyright", "rights reserved", "derechos reservados", "gutenberg", "cc0", "cc by"),
    *("cc-by", "creative commons", "[il", "[im", "licen", "source", "fuente", "retrieved", "obtenido", "tomado"),
    *("categor", "public domain", "dominio p", "last edited", "modific"),
)
_LEGAL = re.compile(
    r"""https?://\S | www\.\w+\.\w | © | \(c\)\ *(?:\d|copyright) | \bcopyright\ *(?:©|\(c\)|\d|by\b|notice|holder)
      | all\ rights\ reserved | todos\ los\ derechos\ reservados | project\ gutenberg | \bCC(?:0\b|[\ -]BY\b)
      | creative\ commons | \[(?:illustration|image|imagen|ilustraci[óo]n)\b | ^(?:licen[cs]e|licencia)\s*:
      | ^(?:source|fuente|retrieved\ from|obtenido\ de|tomado\ de|categor(?:y|ies|[íi]as?))\s*:\s
      | ^\(?(?:this\ (?:work|poem|page|text)|est[ea]\ (?:poema|texto|obra|p[áa]gina))\ .{0,60}
          (?:public\ domain|dominio\ p[úu]blico|licen[cs]|last\ edited|modific[óo])""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_LINE_NUMBER = re.compile(r"(?P<start>\d{1,4})(?:[.)]?\s+)(?=\S*[^\W\d])|(?:(?<=\s)|(?<=\]))\[?(?P<end>\d{1,4})\]?$")
_SURNAME_FIRST = re.compile(
    r"([^,()]+), (?!(?:Jr|Sr|Esq|I{2,3}|Lady|Lord|Earl|Duke|Baron|Count|Conde|Duque)\b)([^,()]+)"
)
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, held together by inner apostrophes and hyphens."""
    return _WORD.findall(text)


def _until_stable(rule: Rule, text: str) -> str:
    """Apply a rule again while it finds something, such as an entity that an entity was hiding."""
    for _ in range(10):
        changed = rule(text)
        if changed == text:
            break
        text = changed
    return text


def unescape_html(text: str) -> str:
    """Entities become characters; a `<br>` or the end of a block becomes a line break; other tags go."""

    def once(text: str) -> str:
        text = _TAG.sub("", _BREAKING_TAG.sub("\n", text))
        return _ENTITY.sub(lambda match: html.unescape(match[0]), text)

    return _until_stable(once, text) if _HTML.search(text) else text


def repair_mojibake(text: str) -> str:
    """Undo text that was decoded with the wrong encoding, such as `corazÃ³n`."""
    if _TYPICAL.fullmatch(text):  # holds none of the letters that every wrong decoding brings
        return text
    repaired = _until_stable(lambda text: ftfy.fix_text(text, _FTFY), text)
    # Spanish quotes beside capitals (`»Él`) also read as Mac encodings of letters that no poem here has.
    return text if _RARE_LETTER.search(repaired) and not _RARE_LETTER.search(text) else repaired


def compose_unicode(text: str) -> str:
    """Normalisation form C: a letter and its accent are one character."""
    return unicodedata.normalize("NFC", text)


def unify_line_breaks(text: str) -> str:
    """Every kind of line break becomes `\\n`; `\\r\\r\\n`, which some downloads have, is one break."""
    return _LINE_BREAK.sub("\n", text) if _ODD_BREAK.search(text) else text


def literal_line_breaks(text: str) -> str:
    """In a text without line breaks, a literal `\\n` or, between verses, ` / ` becomes one; ` // ` parts stanzas."""
    broken = text.strip()
    if "\n" in broken:
        return text
    if "\\" in broken:
        broken = _LITERAL_BREAK.sub("\n", broken).strip()
    if "\n" not in broken and broken.count(" /") > 1:
        verses = [verse.split() for verse in _SLASH.split(broken)[::2]]
        if len(verses) > 2 and sum(map(len, verses)) >= 2 * len(verses):  # `and / or / not` are alternatives
            broken = _SLASH.sub(lambda slash: "\n" if slash[1] == "/" else "\n\n", broken)
    return text if broken == text.strip() else broken


def remove_invisible(text: str) -> str:
    """Zero-width and control characters go; tabs, no-break and typographic spaces become plain spaces."""
    return _SPACE.sub(" ", _CONTROL.sub("", _INVISIBLE.sub("", text)))


def trim_spaces(text: str) -> str:
    """No space at either end of a line, one between words.

    Indentation goes too: sources disagree on it for the same poem, so a model would only learn the noise.
    """
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def drop_notes(text: str) -> str:
    """Drop footnotes: bracketed ones, and the section of notes that closes the text."""
    return _until_stable(_without_notes, text)


def _without_notes(text: str) -> str:
    text = _BRACKETED_NOTE.sub("", text) if "ootnote" in text or "OOTNOTE" in text else text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number > len(lines) // 2 and _NOTES_HEADING.fullmatch(line.strip()):
            return "\n".join(lines[:number]).rstrip("\n")
    # Without a heading: last stanzas of which every one opens with a mark that stands in the text above.
    stanzas = re.split(r"\n\s*\n", text.rstrip())
    while len(stanzas) > 1 and (note := _NOTE_START.match(stanzas[-1].lstrip())):
        above = "\n\n".join(stanzas[:-1])
        if not re.search(r"\S ?" + re.escape(note[1]) + r"(?![*\w])", above):
            break
        stanzas.pop()
        text = above
    return text


def remove_footnote_marks(text: str) -> str:
    """Remove `[1]`, `word*`, `word†`, `word²`, `word.3` and `word[A]`; a line that was nothing but a mark goes."""

    def unmarked(text: str) -> str:
        text = _LETTERED_MARK.sub("", _NUMBERED_MARK.sub("", text)) if "[" in text else text
        text = _GLUED_MARK.sub(r"\1", text) if text[-1:].isdigit() else text
        return _SIGN_MARK.sub(lambda match: match[1] or match[2] or "", text)

    return _map_lines(text, partial(_until_stable, unmarked)) if _MARK_SIGN.search(text) else text


def blank_ornaments(text: str) -> str:
    """A line of asterisks, dots or dashes alone stands for a break; it becomes one."""
    return "\n".join("" if line and _ORNAMENT.fullmatch(line) else line for line in text.split("\n"))


def drop_boilerplate(text: str) -> str:
    """Drop lines that belong to the page and not to the poem: navigation, licences, addresses, image captions."""
    lowered = text.lower()
    has_legal = any(sign in lowered for sign in _LEGAL_SIGNS)
    return "\n".join(
        line
        for line in text.split("\n")
        if not (len(line) < 120 and _NAVIGATION.fullmatch(line.strip())) and not (has_legal and _LEGAL.search(line))
    )


def remove_verse_numbers(text: str) -> str:
    """Remove the numbers of verses or stanzas, at the start or the end of lines or on lines of their own.

    A number counts as one only in a series that keeps pace with the lines (5, 10, 15 …) or with the stanzas
    (11, 12, 13 …), so that years and other figures in the verse stay.
    """
    return _until_stable(_without_series, text) if _DIGIT.search(text) else text


def _without_series(text: str) -> str:
    lines = text.split("\n")
    found = list(_numbered_lines(lines))
    removed = set()
    for side in ("start", "end", "alone"):
        series = [(index, place, stanza, number) for index, place, stanza, number, where in found if where == side]
        for first, second in pairwise(series):
            step, lines_between, stanzas_between = (second[k] - first[k] for k in (3, 1, 2))
            by_line = first[3] % 5 == 0 and second[3] % 5 == 0 and 0 < step <= 50 and abs(step - lines_between) <= 2
            by_stanza = side == "start" and first[3] > 0 and step == stanzas_between == 1 and lines_between > 1
            if by_line or by_stanza:
                removed |= {first[0], second[0]}
        # A short poem has room for one number only: there it must be exact.
        if len(series) == 1 and series[0][3] in (5, 10) and series[0][3] == series[0][1]:
            removed.add(series[0][0])
    kept = []
    for index, line in enumerate(lines):
        if index not in removed:
            kept.append(line)
        elif not line.strip().strip("[]()").isdigit():
            kept.append(_LINE_NUMBER.sub("", line, count=1).strip())
    return "\n".join(kept)


def _numbered_lines(lines: list[str]) -> Iterator[tuple[int, int, int, int, str]]:
    """Lines with a number: index, how many lines with text up to it, stanza, number, and where the number stands."""
    place = stanza = 0
    previous = ""
    for index, line in enumerate(lines):
        stripped = line.strip()
        bare = stripped.strip("[]()")
        if stripped and not previous:
            stanza += 1
        if bare.isdecimal() and len(bare) < 5:
            enclosed = previous and index + 1 < len(lines) and lines[index + 1].strip()
            if enclosed:  # between two lines of a stanza; at its head it would be a section's number
                yield index, place, stanza, int(bare), "alone"
        elif stripped:
            place += 1
            if match := _LINE_NUMBER.search(stripped):
                if match["end"]:
                    yield index, place, stanza, int(match["end"]), "end"
                elif match.start() == 0:
                    yield index, place, stanza, int(match["start"]), "start"
        previous = stripped


def drop_repeated_heading(text: str, title: str | None, author: str | None) -> str:
    """Drop the title and the author where the text repeats them as a heading before the poem.

    Many poems are titled by their first line, so a title goes only where it stands apart: as a stanza of its own that
    does not come again, right above the author, or in capitals.
    """
    lines = text.strip("\n").split("\n")
    title_key, author_key = _heading_key(title), _heading_key(author)
    names = {key for key in (author_key, _heading_key(natural_order(author))) if key}

    def is_author(line: str) -> bool:
        return re.sub(r"^(?:by|de|por|from) ", "", _heading_key(line)) in names

    def is_title(line: str) -> bool:
        return bool(title_key) and _heading_key(line) == title_key

    end = 0
    while end < min(3, len(lines)) and lines[end].strip() and (is_title(lines[end]) or is_author(lines[end])):
        end += 1
    if end == 0 or end == len(lines):
        return text
    heading, rest = lines[:end], lines[end:]
    apart = not rest[0].strip() and not any(is_title(line) for line in rest)
    shouted = any(line.isupper() for line in heading) and not all(line.isupper() for line in rest if line.strip())
    if apart or shouted or any(map(is_author, heading)):
        shorter = "\n".join(rest).strip("\n")
        return drop_repeated_heading(shorter, title, author) if shorter else text
    return text


def _heading_key(line: str | None) -> str:
    return " ".join(words_of((line or "").casefold()))


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


def _map_lines(text: str, change: Rule) -> str:
    """Change each line; one that had text and is left with none goes, so that it opens no gap in its stanza."""
    changed = ((line, change(line)) for line in text.split("\n"))
    return "\n".join(after for before, after in changed if after.strip() or not before.strip())


def rules_for(title: str | None, author: str | None) -> list[tuple[str, Rule]]:
    """The rules in the order in which they apply to a poem, each with its name in the report."""
    return [
        ("line breaks", unify_line_breaks),
        ("HTML remnants", unescape_html),
        ("literal line breaks", literal_line_breaks),
        ("mojibake", repair_mojibake),
        ("Unicode composition", compose_unicode),
        ("invisible characters", remove_invisible),
        ("spaces", trim_spaces),
        ("stanza breaks", space_stanzas),
        ("emphasis", remove_emphasis),
        ("notes", drop_notes),
        ("footnote marks", remove_footnote_marks),
        ("punctuation", space_punctuation),
        ("boilerplate", drop_boilerplate),
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
        if not changed_now or (changed_now <= _SPACE_RULES and _TYPICAL.fullmatch(text) and not _HTML.search(text)):
            break
    return text, changes


def clean_field(value: str | None) -> str | None:
    """A title, an author's name or the like on one line, with its characters repaired; None where nothing is left."""
    if not value:
        return None
    for rule in (unescape_html, repair_mojibake, unify_line_breaks, compose_unicode, remove_invisible):
        value = rule(value)
    return " ".join(value.split()) or None


def natural_order(name: str | None) -> str | None:
    """`Vega, Lope de` as it is spoken: `Lope de Vega`; what follows a comma may be a title too, and stays there."""
    found = _SURNAME_FIRST.fullmatch(name or "")
    return f"{found[2]} {found[1]}" if found else name

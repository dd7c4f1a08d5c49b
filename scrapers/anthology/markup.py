"""From verse to the HTML of a poem block, in two kinds of Wikisource's markup, with the flaws of real pages."""

from html import escape

from scrapers.anthology.poems import Poem

NAVIGATION = {
    "en": (
        "← Previous poem | Contents | Next poem →",
        "Retrieved from the Anthology. This page was last edited in May.",
    ),
    "es": (
        "← Anterior | Índice | Siguiente →",
        "Obtenido de la Antología. Esta página se editó por última vez en mayo.",
    ),
}


def block(poem: Poem, number: int) -> tuple[str, list[str]]:
    """The poem block of a page and the footnotes it refers to.

    Args:
        poem: its `flaw` says what is wrong in the text itself.
        number: the page's place among all pages; it decides the markup, so that pages differ as those of many editors.
    """
    stanzas = [stanza.split("\n") for stanza in flawed(poem).split("\n\n")]
    notes = [_note(poem)] if number % 11 == 5 else []
    if number % 7 == 3:
        return _line_spans(stanzas, notes), notes
    return _line_breaks(stanzas, notes, numbered=number % 5 == 2), notes


def flawed(poem: Poem) -> str:
    """The text with its flaw, which no markup sets apart from verse."""
    lines = poem.text.split("\n")
    match poem.flaw:
        case "mojibake":  # UTF-8 read as Windows-1252
            return poem.text.encode("utf-8").decode("cp1252")
        case "lost letters":
            return poem.text.translate(dict.fromkeys(map(ord, "áéíóúñ'\""), "\N{REPLACEMENT CHARACTER}"))
        case "navigation":
            above, below = NAVIGATION[poem.language]
            return f"{above}\n\n{poem.text}\n\n{below}"
        case "plain verse numbers":
            verses = (index for index, line in enumerate(lines) if line)
            for count, index in enumerate(verses, start=1):
                if count % 5 == 0:
                    lines[index] += "\N{NO-BREAK SPACE}" * 4 + str(count)
            return "\n".join(lines)
        case "plain footnote marks":
            lines[0] += "[1]"
            lines[-1] += "[2]"
            return "\n".join(lines)
    return poem.text


def _line_breaks(stanzas: list[list[str]], notes: list[str], numbered: bool) -> str:
    """The `poem` tag's output: a paragraph a stanza, a break a line; numbers float beside each fifth line."""
    paragraphs, count = [], 0
    for stanza in stanzas:
        lines = []
        for line in stanza:
            count += 1
            margin = f'<span class="wst-pline numeroverso">{count}</span>' if numbered and count % 5 == 0 else ""
            lines.append(margin + escape(line) + _mark(notes, count))
        paragraphs.append("<p>" + "<br />\n".join(lines) + "\n</p>")
    return '<div class="poem">\n' + "\n".join(paragraphs) + "\n</div>"


def _line_spans(stanzas: list[list[str]], notes: list[str]) -> str:
    """The `ppoem` template's output: a span a line, with verse numbers of its own."""
    blocks, count = [], 0
    for stanza in stanzas:
        lines = []
        for line in stanza:
            count += 1
            verse_number = f'<span class="ws-poem-versenum">{count} </span>' if count % 5 == 0 else ""
            lines.append(f'<span class="ws-poem-line">{verse_number}{escape(line)}{_mark(notes, count)}</span>')
        blocks.append('<div class="ws-poem-stanza">' + '<br class="ws-poem-break" />\n'.join(lines) + "</div>")
    return '<div class="ws-poem">\n' + "\n".join(blocks) + "\n</div>"


def _mark(notes: list[str], count: int) -> str:
    if notes and count == 2:
        return '<sup id="cite_ref-1" class="reference"><a href="#cite_note-1">[1]</a></sup>'
    return ""


def _note(poem: Poem) -> str:
    if poem.language == "es":
        return f"Así en el manuscrito de {poem.collection}; otra copia no trae este verso."
    return f"So in the manuscript of {poem.collection}; another copy lacks this line."

"""Verse in the markup of many sites: functions from stanzas to HTML, by what the markup does."""

from collections.abc import Callable, Iterable
from html import escape

from hypothesis import strategies as st

Stanzas = list[list[str]]
LETTERS = "abcdefghijklmnñopqrstuvwxyzABCDEFGHÁÉÍÓÚáéíóúü"

words = st.text(LETTERS + "¡¿,;—'&<>", min_size=1, max_size=8).filter(lambda word: any(map(str.isalpha, word)))
lines = st.lists(words, min_size=1, max_size=6).map(" ".join)
poems = st.lists(st.lists(lines, min_size=1, max_size=6), min_size=1, max_size=4)
long_stanzas = st.lists(st.lists(lines, min_size=2, max_size=6), min_size=1, max_size=4)

LAMP: Stanzas = [
    [
        "The lamp is low, the ledger shut,",
        "the rain has nothing left to say;",
        "a cart goes down the chalky cut",
        "and takes the evening away.",
    ],
    [
        "I hear the axle, then the gate,",
        "and then the dark that follows both;",
        "the clock has nothing to relate",
        "and strikes the hour, nothing loth.",
    ],
]
TARDE: Stanzas = [
    [
        "Baja la tarde despacio",
        "por la orilla del molino,",
        "y se lleva entre las aguas",
        "lo que no dijo el camino.",
    ],
    [
        "Nadie pregunta su nombre,",
        "nadie le guarda el abrigo;",
        "la tarde baja descalza",
        "buscando a un antiguo amigo.",
    ],
]


def plain(stanzas: Stanzas) -> str:
    """The text as a record has it."""
    return "\n\n".join(map("\n".join, stanzas))


def each(
    stanza: str, line: str, between: str = "", between_lines: str = "", around: str = "{}"
) -> Callable[[Stanzas], str]:
    """A writer of verse: patterns for a stanza and for a line, and what stands between two."""

    def write(stanzas: Stanzas) -> str:
        inner = (stanza.format(between_lines.join(_lines(each_one, line))) for each_one in stanzas)
        return around.format(between.join(inner))

    return write


def _lines(stanza: Iterable[str], pattern: str) -> Iterable[str]:
    return (pattern.format(escape(line)) for line in stanza)


BREAK = "<br />\n"
PRE = '<div style="white-space: {}">{{}}</div>'
CSS = "<style>.v {{display:block}} .s {{display: block; margin: 1em}} .w {{white-space: pre-line}}</style>"

# Each keeps lines and stanzas of any verse.
MARKUP = {
    "paragraphs": each("<p>{}\n</p>", "{}", "\n", BREAK),
    "paragraphs with a break at the end": each("<p>{}</p>", "{}<br>"),
    "two breaks": each("{}", "{}", "<br><br>", "<br>"),
    "breaks and a space": each("{}", "{}", "<br />\n&#160;<br />\n", BREAK),
    "pre": each("{}", "{}", "\n\n", "\n", "<pre>\n{}\n</pre>"),
    "a pre a stanza": each("<pre>{}</pre>", "{}", "", "\n"),
    "pre-line": each("{}", "  {}", "\n\n", "\n", PRE.format("pre-line")),
    "pre-wrap": each("{}", "{}", "\n\n", "\n", PRE.format("pre-wrap")),
    "pre in CSS": each("{}", "{}", "\n\n", "\n", CSS + '<div class="w">{}</div>'),
    "a div a line": each("{}", "<div>{}</div>", "<div><br></div>"),
    "a div a line, with breaks": each("{}", "<div class='l1'>{}<br></div>", "<div><br></div>"),
    "an empty div between stanzas": each("{}", "<div>{}</div>", "<div></div>"),
    "a paragraph a line": each("{}", "<p>{}</p>", "<p>&nbsp;</p>", around="{}<p></p>"),
    "spans of blocks": each("{}", '<span style="display:block">{}</span>', '<span style="display:block"></span>'),
    "spans by CSS": each("{}", '<span class="v">{}</span>', '<span class="v">&nbsp;</span>', "", CSS + "{}"),
    "lines by class": each('<div class="stanza">{}</div>', '<div class="line">{}</div>'),
    "spans by class": each('<div class="stanza">{}</div>', '<span class="line">{}</span>', "", ""),
    "spans and breaks": each('<div class="estrofa">{}</div>', '<span class="linea">{}</span>', "", "<br>"),
    "paragraphs as lines": each('<div class="stanza">{}</div>', '<p class="line">{}</p>'),
    "table": each("{}", "<tr><td>{}</td></tr>", "<tr><td>&nbsp;</td></tr>", "", "<table>{}</table>"),
    "table with numbers": each("{}", "<tr><td>{}</td><td>5</td></tr>", "<tr><td></td></tr>", "", "<table>{}</table>"),
    "a table a stanza": each("<table>{}</table>", "<tr><td>{}</td></tr>"),
    "a list a stanza": each("<ul>{}</ul>", "<li>{}</li>"),
    "indents": each("<dl>{}</dl>", "<dd>{}</dd>\n"),
    "rules": each("{}", "{}", "<hr>", "<br>"),
    "TEI": each("<lg>{}</lg>", "<l>{}</l>"),
    "poem tag": each("<p>{}\n</p>", "{}", "\n", BREAK, '<div class="poem">\n{}\n</div>'),
    "poem tag, indented": each(
        "<p>{}\n</p>", '<span class="mw-poem-indented" style="display: inline-block;">{}</span>', "\n", BREAK
    ),
    "ppoem": each(
        '<div class="ws-poem-stanza">{}</div>',
        '<span class="ws-poem-line">{}<span class="ws-poem-break"><br /></span></span>',
        around='<div class="ws-poem">{}</div>',
    ),
    "ppoem with indents": each(
        '<div class="ws-poem-stanza">{}</div>', '<span class="ws-poem-line">{}</span>', "", '<br class="ws-poem-break">'
    ),
    "poema": each(
        '<div class="ws-poema-estrofa">{}</div>',
        '<span class="ws-poema-line">{}<br /></span>',
        around='<div class="ws-poema">{}</div>',
    ),
    "verse": each("{}", "{}", "\n\n", "\n", '<div class="verse"><pre>\n{}\n</pre></div>'),
    "centre": each("{}", "{}", "<br><br>", "<br>", "<center>{}</center>"),
}
# These tell a stanza by its having more than one line.
MARKUP_OF_LONG_STANZAS = {
    "a div a stanza": each("<div>{}</div>", "{}", "", "<br>"),
    "a row a stanza": each("<tr><td>{}</td></tr>", "{}", "", "<br>", "<table>{}</table>"),
    "an item a stanza": each("<li>{}</li>", "{}", "", "<br>", "<ol>{}</ol>"),
    "an indent a stanza": each("<dd>{}</dd>", "{}", "", "<br>", "<dl>{}</dl>"),
    "a center a stanza": each("<center>{}</center>", "{}", "", "<br>"),
}

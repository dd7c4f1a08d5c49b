"""What in a page of Wikisource is verse: the markup of its poem, header and note templates, English and Spanish."""

import re
from statistics import median

from scrapy.http import HtmlResponse
from scrapy.selector import Selector

from scrapers.appearance import is_hidden, page_styles, style_of
from scrapers.verse import NO_TEXT, elements, joined_verse, text_of

HEADERS = (
    ".ws-noexport, .noprint, .ws-header, .wst-header, .headertemplate, #headertemplate, #headerContainer,"
    ".header_notes, .header-notes, #ws-data, .ws-data, .wst-footer, .footertemplate, #footertemplate, .printfooter,"
    ".licenseContainer, .licensetpl, .navbox, .toc, #toc, .wst-auxtoc, .catlinks, .mw-editsection, .mw-indicators,"
    ".mw-empty-elt"
)
NOTES = (
    ".reference, .references, .reference-text, .mw-ref, .mw-references-wrap, .mw-cite-backlink, .reflist, .refbegin,"
    ".listaref, [id^=cite_note], [id^=cite_ref], [class*=footnote], [role=doc-endnotes], [role=doc-footnote],"
    "[role=doc-noteref], [role=note]"
)
SIDE_NOTES = (  # `sidenotes-L` and the like hold the text that has such notes
    "aside, [class*=sidenote]:not([class*=sidenotes]), [class*=side-note], [class*=marginnote], [class*=margin-note],"
    "[class*=marginalia], [class*=nota-al-margen], [class*=nota-margen], [class*=notamargen]"
)
NUMBERS = (
    "[class*=pagenum], [class*=page-num], [class*=pageno], [class*=numpag], [class*=numeropagina], .wst-pagebreak,"
    "[class*=versenum], span.wst-verse, [class*=pline], [class*=numeroverso], [class*=numverso], [class*=linenum],"
    "[class*=line-num], [class*=lineno], .wst-floatright"
)
CAPTIONS = "figcaption, .thumbcaption, .gallery"
NOT_VERSE = ", ".join((NO_TEXT, HEADERS, NOTES, SIDE_NOTES, NUMBERS, CAPTIONS))
POEM_CLASSES = ("poem", "poema", "poesia", "poesía", "verse", "versos", "stanza", "estrofa")
POEM_CLASSES += ("ws-poem", "ws-poem-stanza", "ws-poema", "ws-poema-estrofa")
POEMS = ", ".join(
    f"{content} :not(span).{name}" for content in (".mw-parser-output", "#mw-content-text") for name in POEM_CLASSES
)
# Where verse stands on pages whose markup does not call it verse.
_IS_CENTRED = (
    "@align='center' or contains(@class, 'center') or contains(translate(@style, ' ', ''), 'text-align:center')"
    " or contains(translate(@style, ' ', ''), 'margin:auto') or contains(translate(@style, ' ', ''), 'margin:0auto')"
    " or contains(translate(@style, ' ', ''), 'display:table')"
)
_IS_CONTENT = "contains(concat(' ', @class, ' '), ' mw-parser-output ') or @id='mw-content-text'"
LIKELY_POEMS = (
    f"//*[{_IS_CONTENT}]//*[self::p or self::pre or self::dl or self::table or self::center or self::blockquote"
    f" or self::div[br or {_IS_CENTRED}]]"
)
NOTES_HEADING = re.compile(r"(?i)\W*(?:foot|end)?(?:notes?|notas?|references|referencias|remarks)\b.{0,20}$")
LONGEST_LINE = 80  # characters of the median line; longer ones are prose
SHORTEST_LINE = 10  # shorter ones are title pages


def poem_blocks(page: HtmlResponse) -> list[Selector]:
    """The elements that the markup says hold verse, in the order of the page; some may be inside of others."""
    return _shown(page.css(POEMS))


def likely_poem_blocks(page: HtmlResponse) -> list[Selector]:
    """The elements that look like verse on a page without poem markup: centred blocks, tables, indents, short lines.

    Empty where most of the text is something else, such as prose, a title page or a list of links.
    """
    blocks = _shown(page.xpath(LIKELY_POEMS))
    candidates = {block.root for block in blocks}
    blocks = [block for block in blocks if candidates.isdisjoint(block.root.iterancestors())]
    texts = [joined_verse([block], NOT_VERSE) for block in blocks]
    are_verse = [_looks_like_verse(text) for text in texts]
    if not any(are_verse):
        return []
    first, last = are_verse.index(True), len(texts) - are_verse[::-1].index(True)
    chosen = [
        index
        for index in range(first, last)
        if are_verse[index] or (0 < len(texts[index]) <= LONGEST_LINE and "\n" not in texts[index])
    ]
    lines = [line for index in chosen for line in texts[index].split("\n") if line]
    linked = sum(len(text) for index in chosen for text in blocks[index].css("a ::text, a::text").getall())
    size = sum(map(len, lines))
    is_poem = (
        len(lines) > 2
        and median(map(len, lines)) >= SHORTEST_LINE
        and sum(line.isupper() for line in lines) * 2 < len(lines)
        and size * 2 > sum(map(len, texts))
        and linked * 2 < size
    )
    return [blocks[index] for index in chosen] if is_poem else []


def header_field(page: HtmlResponse, name: str) -> str | None:
    """A field of the header template: `title`, `author` or `year`; English marks it by id, Spanish by class."""
    queries = (f"#ws-{name}", f"#ws-data .ws-{name}", f".ws-{name}", f"#header-{name}-text", f"#header_{name}_text")
    return next(filter(None, (text_of(page, query) for query in queries)), None)


def _shown(blocks: list[Selector]) -> list[Selector]:
    """Without what is not displayed, and what stands in notes, headers or footers."""
    if not blocks:
        return []
    page = blocks[0].root.getroottree().getroot()
    styles, left_out, chosen = page_styles(page), elements(page, NOT_VERSE), {block.root for block in blocks}
    shown, is_shown, heading = set(), {}, ""
    for element in page.iter("*"):
        if element.tag in ("h2", "h3", "h4"):
            heading = " ".join(element.text_content().split())
        around = is_shown.get(element.getparent(), True)
        is_shown[element] = around and element not in left_out and not is_hidden(element, style_of(element, styles))
        if element in chosen and is_shown[element] and not NOTES_HEADING.match(heading):
            shown.add(element)
    return [block for block in blocks if block.root in shown]


def _looks_like_verse(text: str) -> bool:
    lines = [line for line in text.split("\n") if line]
    return len(lines) > 1 and median(map(len, lines)) <= LONGEST_LINE and max(map(len, lines)) <= 2 * LONGEST_LINE

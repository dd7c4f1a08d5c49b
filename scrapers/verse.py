"""Verse out of HTML: lines and stanzas as a reader sees them, whatever markup makes them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement
from scrapy.http import HtmlResponse
from scrapy.selector import Selector

from scrapers.appearance import (
    BLOCK_DISPLAYS,
    BREAKING,
    INLINE_DISPLAYS,
    Style,
    is_beside_the_text,
    is_hidden,
    page_styles,
    style_of,
)
from scrapers.initials import MARK, is_initial, join_initials, letter_of

NO_TEXT = (
    "style, script, noscript, template, iframe, object, svg, audio, video, canvas, form, button, select, textarea,"
    "head, rp, rt, .sr-only, .screen-reader-text, .visually-hidden"
)
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
# A browser leaves space around these, and none around those.
LOOSE = HEADINGS | {"pre", "blockquote", "table", "ul", "ol", "dl", "figure", "hr", "section", "article", "lg"}
TIGHT = {"div", "li", "dd", "dt", "tr", "td", "th", "tbody", "thead", "tfoot", "caption", "center", "main", "header"}
TIGHT |= {"footer", "aside", "nav", "address", "figcaption", "details", "summary", "l"}
BLOCKS = LOOSE | TIGHT | {"p"}
INLINE = {"span", "a", "small", "b", "i", "em", "strong", "font"}
LISTS = {"ul", "ol", "dl"}
LINE_CLASS = re.compile(r"(?:^|[-_])(?:line|linea|línea|verso|verseline)$")
NO_MARGIN = re.compile(r"(?<![-\w])margin\s*:\s*0(?:px|pt|em)?(?:\s+0(?:px|pt|em)?)?\s*(?:!important)?\s*(?:;|$)")
BLANK = re.compile(r"[\s\u200b\u2060\ufeff]*")
NUMBER = re.compile(r"\W*\d+\W*")
NUMBER_CLASS = re.compile(r"num|line-?no|pag(?:e|ina)?s?(?:$|[-_\s])")
NOTE_MARK = re.compile(r"\W*\d{1,3}\W*|\W*[*†‡§¶]+\W*")
STANZA_CLASS = re.compile(r"(?:^|[-_])(?:stanza|estrofa|strophe)(?:[-_]?\d+)?$")


@dataclass
class Block:
    """An element that stands on lines of its own."""

    tag: str
    lines: list[str]  # an empty one between stanzas
    kind: str  # "line" or "stanza" where its class says so
    is_several: bool  # more than a line, not counting lists inside of a list's item

    @property
    def count(self) -> int:
        return sum(map(bool, self.lines))


def verse(block: Selector, left_out: str = NO_TEXT) -> str:
    """The text of a poem block: see `joined_verse`."""
    return joined_verse([block], left_out)


def joined_verse(blocks: Iterable[Selector], left_out: str = NO_TEXT) -> str:
    """The text of the blocks of one poem, each at least a stanza; a block inside of another is part of it.

    Lines end at breaks, at the edges of block elements, at table rows, and at line breaks of the source where
    `white-space` keeps them. A stanza ends at an empty line or element, at a paragraph, and at an element of several
    lines. Spaces that do not break, as in indents, stay for the cleaner.

    Args:
        blocks: the elements that hold the poem, of one page; they are not changed.
        left_out: CSS selector of what in them is no verse.
    """
    blocks = list(blocks)
    if not blocks:
        return ""
    roots = [block.root for block in blocks]
    inner = {element for root in roots for element in root.iterdescendants()}
    texts = []
    for block, root in zip(blocks, roots, strict=True):
        if root not in inner:
            layout = Layout(root, {element.root for element in block.css(left_out)})
            text = stanzas(layout.lines(root, layout.breaks_around(root)))
            texts.append(join_initials(text, layout.language))
    return "\n\n".join(filter(None, texts))


def stanzas(lines: Iterable[str]) -> str:
    """Lines as one text, however many empty ones stand between two stanzas."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def one_line(strings: Iterable[str]) -> str | None:
    """Pieces of text as a field of a record: in one line, and None if there is nothing in them."""
    return " ".join(" ".join(strings).split()) or None


def text_of(page: HtmlResponse | Selector, query: str) -> str | None:
    """The text of the first element that a CSS selector finds, or the attribute that it names with `::attr()`."""
    found = page.css(query)[:1]
    return one_line(found.getall() if "::" in query else found.css("::text").getall())


class Layout:
    """Lays out one block of a page.

    Args:
        root: the block.
        left_out: elements in it that are no verse.
    """

    def __init__(self, root: HtmlElement, left_out: set[HtmlElement]) -> None:
        self.left_out, self.styles = left_out, page_styles(root)
        language = root.xpath("string(ancestor-or-self::*[@lang][1]/@lang)")
        self.language = language.partition("-")[0].lower()
        beside = [element for element in root.iterdescendants("*") if is_beside_the_text(self.style(element))]
        outermost = [element for element in beside if not any(parent in beside for parent in element.iterancestors())]
        # Where most of the text floats, as in columns, that is the layout and not what stands beside the verse.
        self.has_notes = 2 * sum(len(_letters(element)) for element in outermost) < len(_letters(root))

    def style(self, element: HtmlElement) -> Style:
        return style_of(element, self.styles)

    def breaks_around(self, element: HtmlElement) -> str:
        """The `white-space` that an element inherits."""
        for ancestor in element.iterancestors():
            if ancestor.tag == "pre" or "white-space" in self.style(ancestor):
                return self.style(ancestor).get("white-space", "pre")
        return "normal"

    def lines(self, element: HtmlElement, white_space: str) -> list[str]:
        """The lines of a block element, without space around them; an empty one ends a stanza."""
        white_space = self.style(element).get("white-space", "pre" if element.tag == "pre" else white_space)
        parts: list[str | Block] = []
        for piece in self.pieces(element, white_space):
            if isinstance(piece, str) and parts and isinstance(parts[-1], str):
                parts[-1] += piece
            else:
                parts.append(piece)
        keeps_spaces = white_space in BREAKING
        laid_out = [part if isinstance(part, Block) else _text_lines(part, keeps_spaces) for part in parts]
        found = _row(laid_out, element) if element.tag == "tr" else _stacked(laid_out, element)
        return _trimmed(found) if keeps_spaces else found

    def pieces(self, element: HtmlElement, white_space: str) -> Iterator[str | Block]:
        yield _spaced(element.text, white_space)
        for child in element.iterchildren():
            if isinstance(child.tag, str):  # a comment's is a function
                yield from self.child_pieces(child, white_space)
            yield _spaced(child.tail, white_space)

    def child_pieces(self, child: HtmlElement, white_space: str) -> Iterator[str | Block]:
        style = self.style(child)
        if child in self.left_out or is_hidden(child, style) or _is_mark(child):
            return
        if child.tag == "br":
            yield "\n"
        elif child.tag == "img":
            if letter := letter_of(child, within_initial=any(map(is_initial, child.iterancestors()))):
                yield letter + MARK
        elif (apart := self.set_apart(child, style)) is not None:
            yield apart
        elif self.is_block(child, style):
            lines = self.lines(child, white_space)
            if len(lines) == 1 and lines[0].endswith(MARK):
                yield lines[0]
            elif lines or not len(child):  # one that holds only what is left out is no empty line
                yield Block(child.tag, lines, _kind(child), _is_several(child, lines))
        elif not len(child) and not child.text and _is_gap(child):
            yield " "
        else:
            yield from self.pieces(child, style.get("white-space", white_space))

    def set_apart(self, element: HtmlElement, style: Style) -> str | None:
        """What an element that stands apart from the lines adds to them: an initial, or nothing where it is a note or
        a number at the margin; None if it is neither.
        """
        is_marked = is_initial(element)
        if not is_marked and not (self.has_notes and is_beside_the_text(style)):
            return None
        found = list(filter(None, self.lines(element, "normal")))
        text = " ".join(found).replace(MARK, "")
        letters = _letters_of(text)
        if len(letters) <= 3:
            return text + MARK if letters or (is_marked and not NUMBER.fullmatch(text)) else ""
        return "" if not is_marked and len(found) <= 2 else None

    def is_block(self, element: HtmlElement, style: Style) -> bool:
        display = style.get("display", "")
        if display in BLOCK_DISPLAYS or display in INLINE_DISPLAYS:
            return display in BLOCK_DISPLAYS
        return element.tag in BLOCKS or (_kind(element) != "" and _has_twin_beside(element))


def _kind(element: HtmlElement) -> str:
    names = element.get("class", "").lower().split()
    if element.tag == "l" or any(map(LINE_CLASS.search, names)) or NO_MARGIN.search(element.get("style", "")):
        return "line"
    return "stanza" if element.tag == "lg" or any(map(STANZA_CLASS.search, names)) else ""


def _is_gap(element: HtmlElement) -> bool:
    """Whether an empty element takes up room within a line, as a space does."""
    return "gap" in re.split(r"[\s_-]+", element.get("class", "")) or "width" in element.get("style", "")


def _is_mark(element: HtmlElement) -> bool:
    """Whether an element within a line is the raised mark of a note, or by its class a line's or a page's number."""
    if element.tag == "sup":
        return NOTE_MARK.fullmatch(element.text_content()) is not None
    if element.tag not in INLINE or NUMBER_CLASS.search(element.get("class", "").lower()) is None:
        return False
    return NUMBER.fullmatch(element.text_content()) is not None


def _has_twin_beside(element: HtmlElement) -> bool:
    """Whether an element of the same class stands next to it, with no text or break between them."""
    before, after = element.getprevious(), element.getnext()
    if after is not None:
        return after.get("class") == element.get("class") and not (element.tail or "").strip()
    return before is not None and before.get("class") == element.get("class") and not (before.tail or "").strip()


def _stacked(parts: list[list[str] | Block], element: HtmlElement) -> list[str]:
    """Blocks one below the other, with an empty line around those that are stanzas."""
    blocks = [part for part in parts if isinstance(part, Block)]
    has_gaps = any(not block.count for block in blocks if block.tag != "hr") or any(
        "" in part for part in parts[1:-1] if not isinstance(part, Block)
    )
    lines: list[str] = []
    for part in parts:
        if not isinstance(part, Block):
            lines += part
        elif not part.count:
            lines.append("")
        elif _is_loose(part, blocks, has_gaps, element):
            lines += ["", *part.lines, ""]
        else:
            lines += part.lines
    return lines


def _is_loose(block: Block, blocks: list[Block], has_gaps: bool, parent: HtmlElement) -> bool:
    """Whether a block is a stanza of its own, by what it is and by what stands beside it."""
    if block.kind:
        return block.kind == "stanza" or "" in _trimmed(block.lines)
    if block.tag in LISTS and parent.tag in ("li", "dd"):
        return False
    if block.tag in LOOSE or "" in _trimmed(block.lines):
        return True
    alike = [other for other in blocks if other.tag == block.tag and other.count]
    several = sum(other.is_several for other in alike)
    if has_gaps:  # elements with gaps between them are lines, even if one of them is broken in two
        return 2 * several > len(alike)
    if block.tag == "p":
        return several > 0 or _kind(parent) != "stanza" or len(alike) == 1
    return 4 * several >= len(alike)


def _is_several(element: HtmlElement, lines: list[str]) -> bool:
    if sum(map(bool, lines)) < 2 or element.tag not in ("li", "dd"):
        return sum(map(bool, lines)) > 1
    return any(next(part.iterancestors("li", "dd")) is element for part in element.iter("br", "p", "div"))


def _row(parts: list[list[str] | Block], row: HtmlElement) -> list[str]:
    """A table row as one line, or cell below cell where one holds several; cells of numbers alone are left out."""
    cells = [part for part in parts if isinstance(part, Block)]
    cells = [cell for cell in cells if not all(map(NUMBER.fullmatch, filter(None, cell.lines)))] or cells
    if any(cell.count > 1 for cell in cells):
        return _stacked(cells, row)
    return [" ".join(line for cell in cells for line in cell.lines if line)]


def _text_lines(text: str, keeps_spaces: bool) -> list[str]:
    """Running text by its breaks; one at the very end starts no further line."""
    lines = [line.strip(" ") for line in (text if keeps_spaces else re.sub(" {2,}", " ", text)).split("\n")]
    lines = ["" if BLANK.fullmatch(line) else line for line in lines]
    return lines if lines[-1] else lines[:-1]


def _trimmed(lines: list[str]) -> list[str]:
    filled = [index for index, line in enumerate(lines) if line]
    return lines[filled[0] : filled[-1] + 1] if filled else lines


def _spaced(text: str | None, white_space: str) -> str:
    """Text with the white space that is shown, and without the zero bytes that mark initials."""
    text = (text or "").replace(MARK, "").replace("\r\n", "\n").replace("\r", "\n")
    if white_space == "pre-line":
        return re.sub(r"[ \t\f]*\n[ \t\f]*", "\n", re.sub(r"[ \t\f]+", " ", text))
    if white_space in BREAKING:
        return text.expandtabs()
    return re.sub(r"[ \t\n\f]+", " ", text)


def _letters(element: HtmlElement) -> str:
    return _letters_of(element.text_content())


def _letters_of(text: str) -> str:
    return "".join(filter(str.isalpha, text))

"""How a browser shows an element, as far as that makes lines of verse: by style attributes and style sheets."""

import re
from collections.abc import Iterator
from functools import lru_cache

from cssselect import GenericTranslator, SelectorError, parse
from lxml.etree import XPathError
from lxml.html import HtmlElement

Style = dict[str, str]

RELEVANT = {"display", "visibility", "white-space", "float", "position"}
BLOCK_DISPLAYS = {"block", "flex", "grid", "table", "table-row", "list-item", "flow-root"}
INLINE_DISPLAYS = {"inline", "inline-block", "inline-flex", "contents"}
BREAKING = {"pre", "pre-line", "pre-wrap", "break-spaces"}  # values of white-space that keep line breaks
NESTED_RULES = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}|@[^{};]*;")  # @media, @font-face, @import
CLASS_NAME = re.compile(r"\.([\w-]+)")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


def page_styles(page: HtmlElement) -> dict[HtmlElement, Style]:
    """What the page's own style sheets say of its elements; those in files of their own and @media are not read.

    Args:
        page: any element of the page.

    Returns:
        The properties in `RELEVANT` by element, where a rule names any.
    """
    return _styles_under(page.getroottree().getroot())


@lru_cache(maxsize=2)  # each block of a page asks for them
def _styles_under(root: HtmlElement) -> dict[HtmlElement, Style]:
    sheets = "\n".join(sheet.text or "" for sheet in root.iter("style"))
    names = {name for element in root.iter("*") for name in element.get("class", "").split()}
    weighed: dict[HtmlElement, list[tuple[tuple[int, int, int], Style]]] = {}
    for weight, query, style in _rules(sheets, names):
        try:
            for element in root.xpath(query):
                weighed.setdefault(element, []).append((weight, style))
        except XPathError:
            continue
    return {
        element: {name: value for _, style in sorted(rules, key=lambda rule: rule[0]) for name, value in style.items()}
        for element, rules in weighed.items()
    }


def style_of(element: HtmlElement, styles: dict[HtmlElement, Style]) -> Style:
    """The properties that hold for an element itself; its own attribute comes before the style sheets."""
    of_sheets, own = styles.get(element, {}), element.get("style")
    return of_sheets | _declarations(own) if own else of_sheets


def is_hidden(element: HtmlElement, style: Style) -> bool:
    return (
        style.get("display") == "none"
        or style.get("visibility") in ("hidden", "collapse")
        or ("hidden" in element.attrib and "display" not in style)
    )


def is_beside_the_text(style: Style) -> bool:
    return style.get("float") in ("left", "right") or style.get("position") in ("absolute", "fixed")


def _rules(sheets: str, names: set[str]) -> Iterator[tuple[tuple[int, int, int], str, Style]]:
    """Each relevant rule as specificity, XPath and properties; those for classes that no element has are left out."""
    plain = NESTED_RULES.sub("", re.sub(r"/\*.*?\*/|<!--|-->", "", sheets, flags=re.DOTALL))
    translator = GenericTranslator()
    for selectors, body in RULE.findall(plain):
        if style := _declarations(body):
            for selector in selectors.split(","):
                if ":" not in selector and not names.issuperset(CLASS_NAME.findall(selector)):
                    continue
                try:
                    [parsed] = parse(selector.strip())
                    if parsed.pseudo_element is None:
                        yield parsed.specificity(), translator.selector_to_xpath(parsed), style
                except SelectorError:  # a selector that is no CSS, or CSS that needs a browser
                    continue


def _declarations(text: str) -> Style:
    pairs = (declaration.partition(":") for declaration in text.lower().split(";"))
    return {
        name.strip(): value.replace("!important", "").strip() for name, _, value in pairs if name.strip() in RELEVANT
    }

"""Pages as browsers read them, where Scrapy and its parser read them otherwise."""

import re

from scrapy.http import HtmlResponse
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom

META_CHARSET = re.compile(rb"(?i)<meta\b[^>]{0,300}charset")
BREAK_AND_END = re.compile(rb"(?i)(<br\s*/?>)\s*</br\s*>")
END_OF_BREAK = re.compile(rb"(?i)</br\s*/?>")


def as_browsers_read(page: HtmlResponse) -> HtmlResponse:
    """The page in the encoding that browsers take, and with `</br>` as a break, which the parser drops."""
    body = END_OF_BREAK.sub(b"<br>", BREAK_AND_END.sub(rb"\1", page.body))
    return page.replace(body=body, encoding=encoding_of(page))


def encoding_of(page: HtmlResponse) -> str:
    """A page's encoding: as its byte order mark says, its HTTP header, or its `meta` element, in this order.

    Without any of these it is UTF-8 if the bytes are, but for a few, and else Windows-1252. Scrapy guesses by
    statistics, and takes Spanish for Polish.
    """
    content_type = page.headers.get("Content-Type", b"").decode("latin-1")
    declared = read_bom(page.body)[0] or http_content_type_encoding(content_type)
    if declared:
        return declared
    meta = META_CHARSET.search(page.body)
    declared = html_body_declared_encoding(page.body[:4096]) or (
        html_body_declared_encoding(page.body[meta.start() :]) if meta else None
    )
    if declared:
        return "utf-8" if declared.startswith("utf-16") else declared  # whoever can read the element is not in UTF-16
    text = page.body.decode("utf-8", "replace")
    wrong = text.count("\N{REPLACEMENT CHARACTER}")
    right = sum(character > "\x7f" for character in text) - wrong
    return "utf-8" if right >= 2 * wrong else "cp1252"

"""Markup that a download left in a text: HTML and TEI, wiki, BBCode and Markdown."""

import html
import re

from pipeline.cleaning.characters import until_stable

_HTML = re.compile("[<&]")
_ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});|&(?:nbsp|[mn]dash|hellip|[lr][sd]?quo)(?![\w;])"
)
_HIDDEN = re.compile(
    r"<(script|style|title)\b[^<>]*>.*?</\1\s*>|<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>|<!--.*?-->",
    re.IGNORECASE | re.DOTALL,
)
_STANZA_END = re.compile(r"</p\s*>\s*(?=<p\b)", re.IGNORECASE)
_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_BLOCKS = "p|div|li|tr|dd|dt|h[1-6]|blockquote|section|article|l|lg|line|verse|stanza"
_BREAKING_TAG = re.compile(
    r"[ \t]*<(?:br\b[^<>\n]{0,80}>(?:</\s*br\s*>)?"
    rf"|\s*(?:/\s*br\s*/?|br\s*/?|/(?:{_BLOCKS})|lb\s*/?)\s*>)[ \t]*(?:\r*\n)?",
    re.IGNORECASE,
)
_TAG = re.compile(
    rf"</?(?:{_BLOCKS}|a|abbr|acronym|aside|b|big|body|button|caption|center|cite|code|col|del|details|dl|em|figure"
    r"|figcaption|font|footer|form|head|header|hi|hr|html|i|iframe|img|input|ins|kbd|label|link|main|mark|meta|nav|nobr"
    r"|nowiki|ol|pb|poem|pre|q|ref|ruby|s|small|source|span|strike|strong|sub|summary|sup|table|tbody|td|th|thead|time"
    r"|title|tt|u|ul|var|wbr|[a-z]{1,3}:[a-z]+)(?:\s[^<>\n]*)?/?>",
    re.IGNORECASE,
)
_SIGNS = ("[[", "[/", "](", "{{", "'''", "==", "\n#", "\n>", "\\\n")  # one is in all that is read below
_BBCODE = re.compile(
    r"\[/?(?:b|i|u|s|center|left|right|justify|quote|url|img|color|size|font|code|spoiler)(?:=[^\[\]\n]{1,100})?\]",
    re.IGNORECASE,
)
_REMNANTS = (
    (re.compile(r"!\[[^\[\]\n]*\]\([^()\n]*\)"), ""),
    (re.compile(r"\[([^\[\]\n]+)\]\((?:https?:|www\.|mailto:|[/#.])[^()\s]*(?: \"[^\"\n]*\")?\)"), r"\1"),
    (re.compile(r"\[\[(?:file|image|archivo|imagen|category|categor[íi]a):[^\[\]\n]*\]\]", re.I), ""),
    (re.compile(r"\[\[(?:[^\[\]|\n]*\|)?([^\[\]|\n]*)\]\]"), r"\1"),
    (re.compile(r"\{\{(?:sc|small-?caps|uc|larger|smaller|c|center|italic)\|([^{}|\n]*)\}\}", re.I), r"\1"),
    (re.compile(r"\{\{(?:di|drop ?initial|letra ?capital|capitular|inicial)\|([^{}|\n]*)[^{}\n]*\}\} ?", re.I), r"\1"),
    (re.compile(r"\{\{[^{}\n]*\}\}"), ""),
    (re.compile(r"\A\s*\{\{(?:p?poem|poema|verse|versos?)\s*\|([^{}]*)\}\}\s*\Z", re.I), r"\1"),
    (re.compile(r"'''([^'\n]+)'''"), r"\1"),
    (re.compile(r"^(={2,6}) *([^=\n]*[^=\s]) *\1$", re.MULTILINE), r"\2"),
    (re.compile(r"^#{1,6} +(?=\S)", re.MULTILINE), ""),
)
_QUOTED = {">": re.compile(r"^> ?", re.MULTILINE), ":": re.compile(r"^:+ ?", re.MULTILINE)}  # in mail, in wikis
_HARD_BREAK = re.compile(r" *\\$", re.MULTILINE)


def may_be_html(text: str) -> bool:
    """Whether a text has a sign that opens a tag or an entity."""
    return _HTML.search(text) is not None


def unescape_html(text: str) -> str:
    """Entities become characters; a `<br>`, a `</br>` or the end of a block becomes a line break; other tags go."""

    def once(text: str) -> str:
        if "<" in text:
            if _BREAK.search(text):  # then lines end there, and a paragraph is a stanza
                text = _STANZA_END.sub("</p>\n\n", text)
            text = _TAG.sub("", _BREAKING_TAG.sub("\n", _HIDDEN.sub("", text)))
        return _ENTITY.sub(lambda match: html.unescape(match[0]), text)

    return until_stable(once, text) if may_be_html(text) else text


def remove_markup(text: str) -> str:
    """Links, headings, quotations and templates of wikis, forums and Markdown become their words; pictures go."""

    def once(text: str) -> str:
        if "[/" in text:  # without an end, `[i]` may be a number
            text = _BBCODE.sub("", text)
        for remnant, words in _REMNANTS:
            text = remnant.sub(words, text)
        lines = [line for line in text.split("\n") if line.strip()]
        if lines and (mark := lines[0][0]) in _QUOTED and all(line.startswith(mark) for line in lines):
            text = _QUOTED[mark].sub("", text)
        return _HARD_BREAK.sub("", text) if sum(line.endswith("\\") for line in lines) > 1 else text

    return until_stable(once, text) if text[:1] in ("#", ">", ":") or any(sign in text for sign in _SIGNS) else text

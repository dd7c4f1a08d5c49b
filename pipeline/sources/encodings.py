"""Which encoding a file is in, and what to say where the one that was named does not fit."""

import codecs
import re

from pipeline.common.stage import BadInput

HEAD = 65536  # bytes that are looked at
_REMEDY = "Give it the ending of its format, or export it as CSV"
_REMEDIES = {
    "a pointer of Git LFS to a file that was not fetched": "Fetch it with `git lfs pull`",
    "an RTF document": "Save it as plain text",
}
_MARKS = (  # UTF-32's begins like UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{\\rtf", "an RTF document"),
    (b"version https://git-lfs.github.com/spec", "a pointer of Git LFS to a file that was not fetched"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
)
_CANDIDATES = ("utf-8", "cp1252", "mac_roman", "cp850")
# What Spanish, English and their neighbours write beyond ASCII; a wrong encoding gives other signs in other places.
_USUAL = set("áéíóúüñçàèìòùâêîôûäëïöãõÁÉÍÓÚÜÑÇÀÈÌÒÙÂÊÎÔÛÄËÏÖ¡¿«»‘’“”–—…ªº°·´©\xa0æœßÆŒ•§")
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def check_encoding(encoding: str, place: str) -> None:
    """Raise BadInput where Python knows no such encoding of text."""
    try:
        known = codecs.lookup(encoding)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise BadInput(place, f"{encoding!r} is not an encoding", "Try utf-8 or cp1252")


def find_encoding(head: bytes, declared: str) -> str:
    """The encoding of a file: what its byte order mark says, or the NULs of UTF-16, or else what was declared.

    Args:
        head: the file's first bytes.
        declared: an encoding that Python knows.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    pairs = len(head) // 2
    first, second = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs and max(first, second) > pairs / 2 and min(first, second) < pairs / 10:
        return "utf-16-le" if second > first else "utf-16-be"
    return declared


def check_is_text(head: bytes, encoding: str, place: str) -> None:
    """Raise BadInput for a file that is no text at all, whatever its ending says."""
    kind = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)
    if kind is None and not encoding.startswith(("utf-16", "utf-32")) and head.count(0) > len(head) / 50:
        kind = "binary"
    if kind:
        raise BadInput(place, f"the file is {kind}, not text", _REMEDIES.get(kind, _REMEDY))


def undecodable(content: bytes, encoding: str, place: str, key: str) -> BadInput:
    """The error for a file that is not in its encoding: the first byte that does not fit, and the encoding that does.

    Args:
        content: the whole file.
        encoding: the one that does not fit.
        place: the file.
        key: where params.yaml names the encoding.
    """
    fitting = fitting_encoding(content)
    remedy = (
        f"Set {key} to {fitting}, which fits"
        if fitting
        else "No encoding fits the whole file, which mixes several or is damaged: convert it to UTF-8, then run again"
    )
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{content[error.start]:02x} at offset {error.start} is not {encoding.removesuffix('-sig')}"
        return BadInput(f"{place}: line {line}", problem, remedy)
    except UnicodeError as error:
        return BadInput(place, f"not {encoding}: {error}", remedy)
    return BadInput(place, f"not {encoding}", remedy)


def fitting_encoding(content: bytes) -> str | None:
    """The encoding in which the bytes are plausible text; None where there is none."""
    try:
        text = content.decode("utf-8")
        return None if "\0" in text else "utf-8"
    except UnicodeDecodeError:
        pass
    high = sum(byte > 127 for byte in content)
    in_utf8 = sum(len(found[0]) for found in _UTF8_SEQUENCE.finditer(content))
    if b"\0" in content or in_utf8 > high / 3:  # binary, or partly UTF-8
        return None
    best, most = None, 0.8
    for encoding in _CANDIDATES[1:]:
        try:
            share = _usual_share(content.decode(encoding))
        except UnicodeDecodeError:
            continue
        if share > most:
            best, most = encoding, share
    return best


def _usual_share(text: str) -> float:
    """Share of the signs beyond ASCII that Latin verse has, and has in such places.

    Unusual are capitals inside of words, dashes and the like between letters, and two such letters side by side.
    """
    usual = [
        sign in _USUAL
        and not (sign.isupper() and before.islower())
        and not (sign.isalpha() and any(near > "\x7f" and near.isalpha() for near in (before, after)))
        and not (not sign.isalpha() and sign != "’" and before.isalpha() and after.isalpha())
        for before, sign, after in zip(" " + text, text, text[1:] + " ", strict=False)
        if sign > "\x7f"
    ]
    return sum(usual) / len(usual)

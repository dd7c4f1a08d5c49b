"""Files that stand among poems and are none: licences, lists, and formats that are not read."""

import re
from itertools import pairwise
from pathlib import PurePosixPath

_UNREAD = {
    **dict.fromkeys([".xlsx", ".xls", ".xlsm"], "an Excel workbook, which is not read"),
    ".ods": "a spreadsheet, which is not read",
    **dict.fromkeys([".doc", ".docx", ".odt", ".rtf"], "a document, which is not read"),
    **dict.fromkeys([".pdf", ".epub"], "a book, which is not read"),
    **dict.fromkeys([".html", ".htm", ".xml"], "a web page, which is not read"),
    **dict.fromkeys(
        [".tar", ".tgz", ".rar", ".7z", ".bz2", ".xz", ".zst", ".zip"], "an archive, which must be unpacked first"
    ),
    **dict.fromkeys([".pkl", ".pickle", ".npy", ".rds", ".rda", ".feather", ".arrow", ".db", ".sqlite"], "binary data"),
}
_PAPERS = {
    **dict.fromkeys(["license", "licence", "copying", "licencia"], "a licence, by its name"),
    **dict.fromkeys(["readme", "léeme", "leeme"], "a readme, by its name"),
    **dict.fromkeys(["requirements", "requirements-dev", "cmakelists"], "a list of packages, by its name"),
    **dict.fromkeys(["changelog", "contributing", "code_of_conduct"], "a project's papers, by its name"),
    **dict.fromkeys(["contributors", "checksums"], "a list, by its name"),
}
_METADATA = {"dataset-metadata", "dataset_infos", "dataset_info", "dataset_dict", "package", "croissant"}
# What only the body of a licence says; a line under a poem that names its licence has none of it.
_LICENCE = re.compile(
    r"""permission\s+is\s+hereby\s+granted | redistribution\s+and\s+use\s+in\s+source\s+and\s+binary\s+forms
      | everyone\s+is\s+permitted\s+to\s+copy\s+and\s+distribute | free\s+and\s+unencumbered\s+software
      | terms\s+and\s+conditions\s+for\s+use,\s+reproduction | by\s+exercising\s+the\s+licensed\s+rights
      | the\s+full\s+project\s+gutenberg(?:-tm|™)?\s+license""",
    re.IGNORECASE | re.VERBOSE,
)
# One of these stands in every text that the patterns find; to look for them takes a tenth of the time.
_LICENCE_WORDS = (
    "hereby",
    "redistribution",
    "permitted to",
    "unencumbered",
    "conditions for",
    "licensed rights",
    "gutenberg",
)
_LIST_SIGNS = ("=", ">", "<", "~", "!=", "@", "http", "www.")
_PACKAGE = re.compile(r"[\w.\-\[\],]+\s*(?P<version>(?:[=<>~!]=|[<>@])\s*\S+)?(?:\s*[#;].*)?")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|(?:[^@<>]{1,60}\s)?<?[\w.+-]+@[\w-]+\.[\w.]+>?")
_FILE = re.compile(r"(?:[0-9a-f]{32,128}\s+\*?)?[\w./ -]{1,80}\.(?:txt|csv|json|md|html?|pdf|py|xml|jpe?g|png|zip)")
_CONTENTS = re.compile(r".*\w\W*(?:\. ?){3,}\s*(?:\d{1,4}|[ivxlc]{1,8})")
_MOST = 0.7  # of the lines of a list


def is_paperwork(name: PurePosixPath) -> bool:
    """Whether a file's name says that it is no poem: a licence, a readme, a list of packages, metadata."""
    return _paperwork(name) is not None


def why_unread(name: PurePosixPath) -> str:
    """Why a file is not read, by its name: its kind, or that its format is unknown."""
    ending = name.suffix.lower()
    unknown = f"{ending!r} is not the ending of a known format" if ending else "its name has no ending"
    return _paperwork(name) or _UNREAD.get(ending) or unknown


def why_no_poem(text: str) -> str | None:
    """Why a text is not a poem but a licence or a list; None where it may be one."""
    lowered = text.lower()
    if any(word in lowered for word in _LICENCE_WORDS) and _LICENCE.search(text):
        return "a licence, by its words"
    if not any(sign in text for sign in _LIST_SIGNS):
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()][:200]
    if len(lines) < 3:
        return None
    packages = [found for line in lines if (found := _PACKAGE.fullmatch(line))]
    if len(packages) > _MOST * len(lines) and sum(bool(found["version"]) for found in packages) >= len(packages) / 4:
        return "a list of packages"
    if sum(bool(_ADDRESS.fullmatch(line)) for line in lines) > _MOST * len(lines):
        return "a list of addresses"
    return None


def why_list(text: str) -> str | None:
    """Why a text is not a poem but a list of files, of contents or of words; None where it may be one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()][:200]
    if any(line.lower().startswith("user-agent:") for line in lines[:3]):
        return "a site's rules for robots"
    if len(lines) < 3:
        return None
    for kind, pattern in (("files", _FILE), ("contents", _CONTENTS)):
        begins = any(map(pattern.fullmatch, lines[:3]))
        if begins and sum(bool(pattern.fullmatch(line)) for line in lines) > _MOST * len(lines):
            return f"a list of {kind}"
    is_sorted = len(lines) > 9 and all(first < second for first, second in pairwise(lines))
    return "a list of words" if is_sorted and all(map(str.isalpha, lines)) else None


def _paperwork(name: PurePosixPath) -> str | None:
    stem, ending = name.stem.lower(), name.suffix.lower()
    return "metadata, by its name" if ending == ".json" and stem in _METADATA else _PAPERS.get(stem)

"""`estrofa check`: what a file, a folder or a source would give, before any work.

It reads the first poems as the pipeline would, cleans and tags them in this process, and writes the entry for
params.yaml. What nobody said it guesses: the columns by their usual names, the encoding by the bytes.
"""

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.clean import clean_poems, fault
from pipeline.common.params import PARAMS_FILE, Columns, FilesSource, HubSource, Params, load_params
from pipeline.common.stage import BadInput
from pipeline.language.detector import read_languages
from pipeline.sources.encodings import HEAD, find_encoding, fitting_encoding
from pipeline.sources.files import File, faults_named, find_files, format_of, opened_as_text, read_files, rows_of
from pipeline.sources.hub import read_hub
from pipeline.sources.nested import column_names, json_objects
from pipeline.sources.paperwork import is_paperwork
from pipeline.sources.records import Record, Row, cell_of
from pipeline.sources.tables import cells_in_header, find_format
from pipeline.tag import verdict

SAMPLE = 300  # poems that are read, cleaned and tagged
SHOWN = 3  # poems printed
OWN_PARAMS = Path(__file__).parents[1] / "params.yaml"
_SHOWN_LINES = 8
_ROWS = 50  # rows that tell what the columns hold
_LOOKED_AT = 1 << 22  # bytes that tell the encoding
_LISTED = 10
_DELIMITERS = {"\t": "tab"}
_ORNAMENT = re.compile(r"\s*[*_~#=•·.\-—–⁂❦%]{1,}(?:\s[*_~#=•·.\-—–⁂❦%]+)*\s*")

# Names that columns usually have, in lower case, without accents and with spaces; the likeliest first.
USUAL_NAMES = {
    "text": "text,poem,poem text,poem content,full text,content,body,poems,lines,stanzas,verses,verse,lyrics,poema,"
    "texto,contenido,versos,estrofas,poesia,cuerpo",
    "title": "title,poem title,poem name,titulo,nombre del poema,heading,name,nombre",
    "author": "author,poet,poet name,author name,autor,autora,poeta,writer,by,artist",
    "collection": "collection,book,volume,coleccion,libro,poemario,obra",
    "year": "year,date,published,publication year,ano,fecha",
    "style": "style,form,genre,type,poem type,estilo,forma,genero,tipo",
    "language": "language,lang,idioma,lengua,language code",
    "licence": "licence,license,rights,licencia",
    "url": "url,link,poem url,source url,enlace",
}


def check(target: str) -> Iterator[str]:
    """Yield, line by line, what a path or a source of params.yaml would give.

    Raises:
        BadInput: it cannot be read; the lines before say what was found until then.
    """
    params = load_params(PARAMS_FILE if PARAMS_FILE.exists() else OWN_PARAMS)
    named = None if Path(target).exists() else params.scrape.sources.get(target)
    skipped: list[tuple[str, str]] = []
    if isinstance(named, HubSource):
        source, name, rows = named, target, read_hub(named, target)
        yield f"{named.dataset}, split {named.split}, of the hub"
    elif named is not None and not isinstance(named, FilesSource):
        problem = f"{target!r} is a site, which has to be crawled"
        raise BadInput("estrofa check", problem, "Run `dvc repro scrape`, and see metrics/scrape.json")
    else:
        name = target if named else source_name(target)
        source = yield from survey(named or FilesSource(kind="files", path=target))
        rows = read_files(source, name, lambda *told: skipped.append(told))
    records = list(islice(rows, SAMPLE))
    yield from (f"Skipped: {file} ({reason})" for file, reason in skipped[:_LISTED])
    if len(skipped) > _LISTED:
        yield f"Skipped: {len(skipped) - _LISTED} more files"
    languages = yield from describe_poems(records, params)
    if source.language is None and source.columns.language is None and len(languages) == 1:
        source = source.model_copy(update={"language": languages[0]})
    yield from ("", "For params.yaml, under scrape.sources:", "", *entry(source, name))


def source_name(path: str) -> str:
    """A name for the source, after its file or folder."""
    stem = Path(path).resolve().name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-").lower() or "mine"


def survey(source: FilesSource) -> Iterator[str]:
    """Yield what the files of a source are; return the source with what it needs to read them.

    Of each format the first file is looked at.
    """
    seen: Counter[str] = Counter()
    for file in find_files(source.path, "params.yaml: scrape.sources.<name>.path"):
        kind = format_of(file, source)
        if kind is None or (not file.named and is_paperwork(file.name)):
            continue
        seen[kind] += 1
        if seen[kind] == 1:
            with faults_named(file, source.encoding, "params.yaml: scrape.sources.<name>"):
                source = yield from _survey_file(file, kind, source)
    if sum(seen.values()) > 1:
        yield f"Files: {', '.join(f'{count} {kind}' for kind, count in seen.items())}"
    return source


def _survey_file(file: File, kind: str, source: FilesSource) -> Iterator[str]:
    """Yield what one file is; return the source with what it needs to read it."""
    facts = [kind.upper() if kind in ("csv", "json") else kind.capitalize()]
    if kind != "parquet":
        encoding = file_encoding(file, source.encoding)
        facts.append(encoding)
        if not encoding.startswith("utf"):  # those show without being named
            source = source.model_copy(update={"encoding": encoding})
    if kind == "csv":
        source, delimiter = _with_header(file, source)
        facts.append(f"delimiter {_DELIMITERS.get(delimiter, repr(delimiter))}")
    yield f"{file.label}: {', '.join(facts)}"
    if kind == "text":
        if not source.separator and (mark := separator_in(file, source.encoding)):
            yield f"  the line {mark!r} stands in it more than once: set `separator` if it parts poems"
        return source
    rows = head_rows(file, kind, source)
    names = column_names(rows)
    if source.columns == Columns():
        source = source.model_copy(update={"columns": guess_columns(names, rows)})
    yield from describe_columns(names, source.columns)
    return source


def separator_in(file: File, encoding: str) -> str | None:
    """The line of signs alone (`***`, `---`) that stands most often in a text, where one does more than once."""
    with opened_as_text(file, encoding) as text:
        lines = Counter(line.strip() for line in text.read(_LOOKED_AT).splitlines() if _ORNAMENT.fullmatch(line))
    mark, count = max(lines.items(), key=lambda item: item[1], default=("", 0))
    return mark if count > 1 else None


def file_encoding(file: File, declared: str) -> str:
    """The encoding in which a file's first megabytes are text."""
    with file.open() as opened:
        content = opened.read(_LOOKED_AT)
    encoding = find_encoding(content[:HEAD], declared)
    if len(content) == _LOOKED_AT:
        content = content[: content.rfind(b"\n") + 1]  # not in the middle of a character
    try:
        content.decode(encoding)
    except UnicodeError:
        return fitting_encoding(content) or encoding
    return encoding


def _with_header(file: File, source: FilesSource) -> tuple[FilesSource, str]:
    """The source, with names for the columns of a CSV file without a header, and the file's delimiter."""

    def open_text(newline: str) -> Any:
        return opened_as_text(file, source.encoding, newline)

    found = find_format(open_text, source.header, [])
    if source.header is None and cells_in_header(found.header):
        header = [f"column {number}" for number in range(1, len(found.header) + 1)]
        source = source.model_copy(update={"header": header})
    return source, found.delimiter


def head_rows(file: File, kind: str, source: FilesSource) -> list[Row]:
    """The first rows of a table, with all their cells."""
    if kind != "json":
        return list(islice(rows_of(file, kind, source, "params.yaml", whole=True), _ROWS))
    with opened_as_text(file, source.encoding) as text:
        rows = [row for _, row in islice(json_objects(text, source.columns.text, file.place), _ROWS)]
    # What pandas writes by columns can be told from poems by key only by the name of the column of texts.
    for column in (row["key"] for row in rows if _plain(str(row.get("key", ""))) in _names("text")):
        with opened_as_text(file, source.encoding) as text:
            return [row for _, row in islice(json_objects(text, column, file.place), _ROWS)]
    return rows


def guess_columns(names: Sequence[str], rows: Sequence[Row]) -> Columns:
    """Which column holds which field: by its name, the text else by what is longest."""
    found: dict[str, str] = {}
    for field in USUAL_NAMES:
        keys = {_plain(name): name for name in reversed(names) if name not in found.values()}
        keys = {_plain(name.split(".")[-1]): name for name in keys.values()} | keys
        if usual := next((keys[name] for name in _names(field) if name in keys), None):
            found[field] = usual
    lengths = {name: sum(len(str(cell_of(row, name) or "")) for row in rows) for name in names}
    longest = max(lengths, key=lengths.__getitem__, default="text")
    text = found.get("text")
    if text is None or lengths[text] < lengths[longest] / 20:  # a column `poem` may hold titles or numbers
        found = {field: name for field, name in found.items() if name != longest} | {"text": longest}
    return Columns(**found)


def describe_columns(names: Sequence[str], columns: Columns) -> Iterator[str]:
    """Yield which of the columns become fields, and which are left."""
    mapped = {field: column for field, column in columns.model_dump().items() if column}
    yield from (f"  {column} -> {field}" for field, column in mapped.items())
    if left := [name for name in names if name.strip() and name not in mapped.values()]:
        more = f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
        yield f"  not used: {', '.join(left[:_LISTED])}{more}"


def describe_poems(records: Sequence[Record], params: Params) -> Iterator[str]:
    """Clean and tag poems and yield what becomes of them; return the languages of those that stay."""
    cleaned = [poem for poem, _ in clean_poems(records)]
    readings = read_languages([poem["text"] for poem in cleaned], tuple(params.tag.candidates), params.tag.seed)
    kept, reasons = [], {}
    for poem, reading in zip(cleaned, readings, strict=True):
        why = fault(poem, params.clean) or verdict(
            reading, poem["declared_language"], set(params.languages), params.tag
        )
        if why is None:
            kept.append((poem, reading.language))
        else:
            reasons.setdefault(why[0], []).append(f"{poem['url']}: {why[1]}")
    languages = Counter(language for _, language in kept)
    which = f"the first {len(records)}" if len(records) == SAMPLE else f"all {len(records)}"
    yield ""
    yield f"Of {which} poems, {len(kept)} would be kept" + (f" ({_counts(languages)})" if kept else "")
    for reason, examples in sorted(reasons.items(), key=lambda item: -len(item[1])):
        yield f"  rejected, {reason}: {len(examples)}, such as {examples[0]}"
    yield "  duplicates show only in a whole run"
    for poem, language in kept[:SHOWN]:
        yield ""
        author = f"by {poem['author']}" if poem["author"] else "no author"
        yield f"{poem['title'] or 'No title'}, {author} [{language}]"
        lines = poem["text"].split("\n")
        yield from (f"    {line}".rstrip() for line in lines[:_SHOWN_LINES])
        if len(lines) > _SHOWN_LINES:
            yield f"    … {poem['lines']} lines, {poem['words']} words"
    return list(languages)


def entry(source: FilesSource | HubSource, name: str) -> list[str]:
    """The lines of a source's entry in params.yaml, without what goes without saying."""
    given = source.model_dump(exclude_defaults=True)
    place = "path" if isinstance(source, FilesSource) else "dataset"
    values = {"kind": source.kind, place: given[place]} | given
    values["columns"] = {field: column for field, column in source.columns.model_dump().items() if column}
    if values["columns"] == {"text": "text"}:
        del values["columns"]
    file = io.StringIO()
    yaml = YAML()
    yaml.width = 1000
    yaml.dump({name: values}, file)
    return [f"    {line}" for line in file.getvalue().splitlines()]


def _counts(languages: Counter[str]) -> str:
    return ", ".join(f"{count} {language}" for language, count in languages.most_common())


def _names(field: str) -> list[str]:
    return USUAL_NAMES[field].split(",")


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    return " ".join(re.sub(r"[\W_]+", " ", "".join(c for c in letters if not unicodedata.combining(c))).lower().split())

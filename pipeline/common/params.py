"""`params.yaml` as validated classes; the comments in that file say what each value is for."""

from collections.abc import Callable
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Any, Literal

import pydantic
from cssselect import SelectorError
from parsel import css2xpath
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.common.stage import BadInput
from pipeline.common.text import LANGUAGE_CODE

PARAMS_FILE = Path("params.yaml")

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
OpenShare = Annotated[float, pydantic.Field(gt=0, lt=1)]
LanguageCode = Annotated[str, pydantic.Field(pattern=f"^{LANGUAGE_CODE}$")]
Address = Annotated[str, pydantic.Field(pattern=r"^https?://.+$")]
SourceName = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9_-]+$")]


def _css(query: str) -> str:
    try:
        css2xpath(query)
    except SelectorError as error:
        raise ValueError(f"not a CSS selector: {error}") from error
    return query


def _element(query: str) -> str:
    if "::" in query:
        raise ValueError("must select elements; only fields other than text may end in ::attr() or ::text")
    return query


CSSSelector = Annotated[str, pydantic.AfterValidator(_css)]
ElementSelector = Annotated[CSSSelector, pydantic.AfterValidator(_element)]


class Section(pydantic.BaseModel):
    """A part of `params.yaml`: unknown keys are refused, and values cannot be changed after reading."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Site(Section):
    """Keys that all crawled sources have."""

    site: Address
    language: LanguageCode
    licence: str | None = None  # of poems whose pages name none
    max_pages: pydantic.PositiveInt = 100_000
    delay: pydantic.NonNegativeFloat = 1.0
    max_seconds: pydantic.PositiveFloat = 60.0  # for one page
    max_megabytes: pydantic.PositiveFloat = 32.0  # of one page


class WikisourceSource(Site):
    kind: Literal["wikisource"]
    site: str = pydantic.Field(pattern=r"^(embedded|https?://.+)$")
    start: list[str] = pydantic.Field(min_length=1)


class PoetryDBSource(Site):
    kind: Literal["poetrydb"]
    site: Address = "https://poetrydb.org"
    language: LanguageCode = "en"
    authors: list[str] = []  # their full names; all authors where there are none


class PoemasDelAlmaSource(Site):
    kind: Literal["poemas-del-alma"]
    site: Address = "https://www.poemas-del-alma.com"
    start: list[str] = pydantic.Field([f"/{letter}.html" for letter in ascii_uppercase], min_length=1)
    language: LanguageCode = "es"


class Fields(Section):
    """Which element of a page holds which field, by CSS selector; `::attr(name)` selects an attribute."""

    text: ElementSelector
    title: CSSSelector | None = None
    author: CSSSelector | None = None
    collection: CSSSelector | None = None
    year: CSSSelector | None = None
    style: CSSSelector | None = None
    licence: CSSSelector | None = None


class SelectorsSource(Site):
    kind: Literal["selectors"]
    start: list[str] = pydantic.Field(["/"], min_length=1)
    follow: list[ElementSelector] = []  # links, or elements with links in them
    fields: Fields
    leave_out: list[ElementSelector] = []  # elements inside `text` that are not verse


class Columns(Section):
    """Which column, or JSON key, of a file holds which field; `poem.text` is the key `text` of the object `poem`."""

    text: str = "text"
    title: str | None = None
    author: str | None = None
    collection: str | None = None
    year: str | None = None
    style: str | None = None
    language: str | None = None
    licence: str | None = None
    url: str | None = None


class Table(Section):
    """Keys that all sources have whose poems are rows of a table."""

    columns: Columns = Columns()
    language: LanguageCode | None = None  # of every poem, if no column gives it
    licence: str | None = None


class FilesSource(Table):
    kind: Literal["files"]
    path: str  # a file, a folder, or a glob; a zip archive counts as a folder
    format: Literal["auto", "csv", "json", "jsonl", "parquet", "text"] = "auto"
    encoding: str = "utf-8"  # where the file does not begin with a byte order mark
    header: list[str] | None = pydantic.Field(None, min_length=1)  # the columns of a CSV file without a header
    separator: str | None = pydantic.Field(None, min_length=1)  # between the poems of a text file


class HubSource(Table):
    kind: Literal["hub"]
    dataset: str = pydantic.Field(min_length=1)  # its id on the Hugging Face hub, or a folder
    subset: str | None = None
    split: str = "train"
    revision: str | None = None  # a commit or a tag, so that every run reads the same


Source = Annotated[
    WikisourceSource | PoetryDBSource | PoemasDelAlmaSource | SelectorsSource | FilesSource | HubSource,
    pydantic.Field(discriminator="kind"),
]


class Scrape(Section):
    max_drop: Share = 0.5
    recheck_days: pydantic.NonNegativeFloat = 30.0
    contact: str | None = pydantic.Field(None, pattern=r"^[!-'*-~]+$")  # ASCII without spaces and parentheses
    sources: dict[SourceName, Source] = pydantic.Field(min_length=1)


class Clean(Section):
    min_lines: pydantic.PositiveInt
    min_words: pydantic.PositiveInt
    max_words: pydantic.PositiveInt
    long_poems: Literal["drop", "cut"]
    prose_line: pydantic.PositiveInt
    max_prose_share: Share
    max_broken_share: Share
    duplicate_similarity: OpenShare
    cluster_similarity: OpenShare

    @pydantic.model_validator(mode="after")
    def _limits_are_ordered(self) -> "Clean":
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        if self.cluster_similarity > self.duplicate_similarity:
            raise ValueError("cluster_similarity must not be above duplicate_similarity")
        return self


class Tag(Section):
    seed: int
    candidates: list[LanguageCode] = pydantic.Field(min_length=2)
    min_confidence: Share
    max_foreign_share: Share


class Tokenize(Section):
    validation_share: OpenShare
    test_share: OpenShare
    block_size: int = pydantic.Field(ge=32, le=131_072)
    drop_field: Share
    cut_vocabulary: bool
    seed: int


class Finetune(Section):
    method: Literal["lora", "qlora", "full"]
    lora_rank: pydantic.PositiveInt
    lora_alpha: pydantic.PositiveFloat
    lora_dropout: Share
    epochs: pydantic.PositiveFloat
    max_tokens: pydantic.PositiveInt | None
    batch_size: pydantic.PositiveInt
    gradient_accumulation: pydantic.PositiveInt
    learning_rate: pydantic.PositiveFloat
    schedule: Literal["cosine", "linear", "constant"]
    warmup_share: Share
    weight_decay: pydantic.NonNegativeFloat
    max_gradient_norm: pydantic.PositiveFloat
    precision: Literal["auto", "bfloat16", "float32"]
    gradient_checkpointing: bool
    attention: Literal["sdpa", "by_poem", "flex_attention", "flash_attention_2"]
    compile: bool
    evaluate_every: pydantic.PositiveInt
    checkpoint_every: pydantic.PositiveInt
    patience: pydantic.PositiveInt | None
    seed: int


class Generation(Section):
    temperature: float = pydantic.Field(ge=0, le=5)  # 0 takes the likeliest token
    top_p: float = pydantic.Field(gt=0, le=1)
    top_k: pydantic.NonNegativeInt  # 0 for no limit
    max_words: int = pydantic.Field(ge=1, le=2000)
    stanzas: pydantic.PositiveInt | None = None
    block_loops: bool


class Evaluate(Section):
    poems_per_language: pydantic.PositiveInt
    samples_per_prompt: pydantic.PositiveInt
    test_poems: pydantic.PositiveInt
    sentence_model: str | None
    batch_size: pydantic.PositiveInt
    seed: int
    prompts: dict[LanguageCode, list[str]]


class Register(Section):
    model_name: str = pydantic.Field(pattern=r"^[A-Za-z0-9_-]+$")
    alias: str = pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")


class Promote(Section):
    alias: str = pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    not_worse: dict[str, pydantic.NonNegativeFloat]
    at_least: dict[str, float]
    at_most: dict[str, float]


class Engine(Section):
    address: str | None = pydantic.Field(default=None, pattern=r"^[a-z]+://.+$")


class Params(Section):
    """All of `params.yaml`."""

    languages: dict[LanguageCode, str] = pydantic.Field(min_length=1)
    base: str = pydantic.Field(min_length=1)
    engine: Engine = Engine()
    scrape: Scrape
    clean: Clean
    tag: Tag
    tokenize: Tokenize
    finetune: Finetune
    generation: Generation
    evaluate: Evaluate
    register_: Register = pydantic.Field(alias="register")
    promote: Promote

    @pydantic.model_validator(mode="after")
    def _languages_agree(self) -> "Params":
        for code in self.languages:
            if code not in self.tag.candidates:
                raise ValueError(f"tag.candidates lacks {code!r}, one of the languages")
            if not self.evaluate.prompts.get(code):
                raise ValueError(f"evaluate.prompts has no prompt in {code!r}, one of the languages")
        return self


def parse_params(values: dict[str, Any], place: str = str(PARAMS_FILE)) -> Params:
    """Validate a params mapping.

    Raises:
        BadInput: names the first faulty key, its value and what is allowed.
    """
    try:
        return Params.model_validate(values)
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        if fault["type"] == "extra_forbidden":
            problem, remedy = "unknown key", "Remove it or correct its spelling; params.yaml's comments list the keys"
        elif fault["type"] == "missing":
            problem, remedy = "missing", "Add it; `git show HEAD:params.yaml` shows the default"
        else:
            problem, remedy = f"{fault['input']!r} is not allowed", f"{fault['msg']}; change it in params.yaml"
        if fault["type"] == "value_error" and not fault["loc"]:
            problem, remedy = fault["msg"].removeprefix("Value error, "), "Make the two agree in params.yaml"
        raise BadInput(f"{place}: {key}", problem, remedy) from error


def changed(usual: Generation, changes: dict[str, Any], place: Callable[[str], str]) -> Generation:
    """The sampling params with some values changed for one request.

    Args:
        usual: the values of params.yaml.
        changes: other values, by key.
        place: turns the key of a value that is not allowed into the name that the user knows it by.

    Raises:
        BadInput: a change is not allowed.
    """
    try:
        return Generation.model_validate(usual.model_dump() | changes)
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        raise BadInput(place(str(fault["loc"][0])), f"{fault['input']!r} is not allowed", fault["msg"]) from error


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and validate `params.yaml`.

    Raises:
        BadInput: the file is missing or not YAML, or a key or a value is not allowed.
    """
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(str(path), "no such file", "Run from the repository's root") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"not YAML: {' '.join(str(error).split())}", "Correct the file") from error
    if not isinstance(values, dict):
        raise BadInput(str(path), "not a mapping of keys to values", "Restore it with `git checkout params.yaml`")
    return parse_params(values, str(path))

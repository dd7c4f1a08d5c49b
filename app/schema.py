"""What the API takes and gives, as typed classes from which FastAPI checks requests and draws the OpenAPI page."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.common.params import LanguageCode

Role = Literal["champion", "challenger", "base"]
Side = Literal["left", "right"]

LONGEST_OPENING = 500  # characters of the lines a poem starts with
LONGEST_FIELD = 100  # characters of an author, a style, a title
MOST_WORDS = 400  # of one poem
LARGEST_SEED = 2**32 - 1

Field100 = Annotated[str, Field(max_length=LONGEST_FIELD)]


class Strict(BaseModel):
    """A request: a key that is not declared is refused, not overlooked."""

    model_config = ConfigDict(extra="forbid")


class Voice(Strict):
    """Whose hand, or what form, a poem should be in."""

    author: Field100 | None = None
    style: Field100 | None = None


class Blend(Voice):
    """A second voice, mixed into the first token by token."""

    weight: float = Field(default=0.5, gt=0, lt=1, description="the second voice's share of every next word")


class Wish(Voice):
    """The poem that is asked for; what is left out, the model's settings decide."""

    first_line: str = Field(default="", max_length=LONGEST_OPENING, description="the line or lines it starts with")
    language: LanguageCode | None = Field(default=None, description="by default that of the first line")
    title: Field100 | None = None
    blend: Blend | None = None
    max_words: int | None = Field(default=None, ge=1, le=MOST_WORDS, description="added to the first line at most")
    stanzas: int | None = Field(default=None, ge=1, le=50)
    temperature: float | None = Field(default=None, ge=0, le=5, description="0 always takes the likeliest word")
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=1000, description="0 for no limit")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=LARGEST_SEED,
        description="the same seed gives the same poem, but for rounding where a bfloat16 model writes many at once",
    )


class PoemRequest(Wish):
    """A poem, from one of the models."""

    model: Role = "champion"


class ComparisonRequest(Wish):
    """The same poem from two models, which are named only after the vote."""

    models: tuple[Role, Role] = ("champion", "challenger")


class Version(BaseModel):
    """Which model wrote: a version in the registry, or a folder known by the hash of its weights."""

    name: str
    version: str


class PoemAnswer(BaseModel):
    """A poem, and all it takes to have it written again."""

    kind: Literal["poem"] = "poem"
    text: str
    ended: bool = Field(description="whether the model ended it, or a limit")
    language: str
    seed: int
    model: Version


class Begun(BaseModel):
    """The first thing a stream says: who writes."""

    kind: Literal["begun"] = "begun"
    language: str
    seed: int
    model: Version


class Words(BaseModel):
    """What has been written since the last time, whole words with the spaces and line breaks around them."""

    kind: Literal["words"] = "words"
    text: str


class Fault(BaseModel):
    """The poem cannot be finished."""

    kind: Literal["fault"] = "fault"
    detail: str


StreamedPoem = Annotated[Begun | Words | PoemAnswer | Fault, Field(discriminator="kind")]


class BlindWords(Words):
    side: Side


class BlindPoem(BaseModel):
    """A finished poem whose writer is not told yet."""

    kind: Literal["poem"] = "poem"
    side: Side
    text: str


class Ballot(BaseModel):
    """The last thing a comparison says: where to vote."""

    kind: Literal["ballot"] = "ballot"
    id: str


StreamedComparison = Annotated[BlindWords | BlindPoem | Ballot | Fault, Field(discriminator="kind")]


class Vote(Strict):
    choice: Side | Literal["neither"]


class Tally(Version):
    """A model and how people have voted on it; a base model, which has no version, keeps no count."""

    votes_won: int | None
    votes_cast: int | None


class VoteAnswer(BaseModel):
    left: Tally
    right: Tally


class Served(BaseModel):
    """A role, the model in it, and what kept a newer one out of it."""

    role: Role
    model: Version | None
    fault: str | None = None


class Models(BaseModel):
    models: list[Served]


class Readiness(Models):
    ready: bool


class Alive(BaseModel):
    alive: bool


class Problem(BaseModel):
    """What is wrong, in one sentence."""

    detail: str

"""Requests and responses of the API as typed classes, which FastAPI validates and shows on the OpenAPI page."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.common.params import LanguageCode

Role = Literal["champion", "challenger", "base"]
Side = Literal["left", "right"]
Choice = Literal["left", "right", "neither"]

MAX_FIRST_LINE = 500  # characters
MAX_FIELD = 100  # characters of an author, a style or a title
MAX_WORDS = 400
MAX_SEED = 2**32 - 1

ShortText = Annotated[str, Field(max_length=MAX_FIELD)]


class StrictModel(BaseModel):
    """A request; unknown keys are errors, and true is no number."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_booleans(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("true and false are no values here")
        return value


class AuthorAndStyle(StrictModel):
    """Whose manner and what form or style a poem is written in."""

    author: ShortText | None = None
    style: ShortText | None = None


class Blend(AuthorAndStyle):
    """A second author or style, blended with the first at every token."""

    weight: float = Field(
        default=0.5, gt=0, lt=1, description="weight of this second author or style; the first has 1 - weight"
    )


class GenerationRequest(AuthorAndStyle):
    """A poem to write. Anything left out takes its default from params.yaml."""

    first_line: str = Field(default="", max_length=MAX_FIRST_LINE, description="the line or lines the poem starts with")
    language: LanguageCode | None = Field(default=None, description="by default that of the first line")
    title: ShortText | None = None
    blend: Blend | None = None
    max_words: int | None = Field(
        default=None, ge=1, le=MAX_WORDS, description="the most words to add to the first line"
    )
    stanzas: int | None = Field(default=None, ge=1, le=50, description="the most stanzas")
    temperature: float | None = Field(default=None, ge=0, le=5, description="0 always takes the likeliest token")
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=1000, description="0 for no limit")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="the same request with the same seed gives the same poem; in bfloat16, rounding may change it when "
        "many poems are written at once",
    )


class PoemRequest(GenerationRequest):
    """A poem to be written by the model in a role."""

    model: Role = "champion"


class ComparisonRequest(GenerationRequest):
    """A poem to be written by two models, which are named after the vote."""

    models: tuple[Role, Role] = ("champion", "challenger")


class ModelVersion(BaseModel):
    """A version in the registry, or a folder or base with the hash of its weights as its version."""

    name: str
    version: str


class PoemAnswer(BaseModel):
    """A finished poem, and what it takes to write it again."""

    kind: Literal["poem"] = "poem"
    text: str
    ended: bool = Field(description="true if the model ended the poem, false if a limit cut it off")
    language: str
    seed: int
    model: ModelVersion


class Begun(BaseModel):
    """The first event of a stream."""

    kind: Literal["begun"] = "begun"
    language: str
    seed: int
    model: ModelVersion


class NewWords(BaseModel):
    """What was written since the last event: whole words with the spaces and line breaks around them."""

    kind: Literal["words"] = "words"
    text: str


class StreamError(BaseModel):
    """The last event of a stream whose poem could not be finished."""

    kind: Literal["error"] = "error"
    detail: str


PoemEvent = Annotated[Begun | NewWords | PoemAnswer | StreamError, Field(discriminator="kind")]


class BlindWords(NewWords):
    side: Side


class BlindPoem(BaseModel):
    """A finished poem of a comparison, without its model."""

    kind: Literal["poem"] = "poem"
    side: Side
    text: str


class Ballot(BaseModel):
    """The last event of a comparison: the id to vote with."""

    kind: Literal["ballot"] = "ballot"
    id: str


ComparisonEvent = Annotated[BlindWords | BlindPoem | Ballot | StreamError, Field(discriminator="kind")]


class Vote(StrictModel):
    choice: Choice


class VoteCount(ModelVersion):
    """A model and its votes; a base or a folder, which has no version, has no count."""

    votes_won: int | None
    votes_cast: int | None


class VoteAnswer(BaseModel):
    left: VoteCount
    right: VoteCount


class RoleStatus(BaseModel):
    """A role, its model, and why a newer model is not served in it."""

    role: Role
    model: ModelVersion | None
    error: str | None = None


class Models(BaseModel):
    models: list[RoleStatus]


class Readiness(Models):
    ready: bool


class Health(BaseModel):
    alive: bool


class Error(BaseModel):
    """What is wrong, in one sentence; a code where a client can do something about it."""

    detail: str
    code: Literal["language_not_written"] | None = None

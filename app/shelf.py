"""The models that are served, by role: loaded beside the poems being written, and exchanged as the registry says."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.meters import Meters
from app.schema import Role, Served, Version
from app.settings import Settings
from pipeline.common.identity import sha256_of
from pipeline.common.params import Params
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import Decoder, write_poems
from pipeline.modeling.base import best_device, load_base, resolve_base
from pipeline.modeling.prompt import Request, languages_of
from pipeline.release.registry import alias_version, fetch_version, leading_version

log = logging.getLogger("estrofa")

LATEST = Path("models/poet")  # what `finetune` leaves, served where the registry has nothing
TRIAL_WORDS = 8  # that a model must write before it is let in


class NotServed(Exception):
    """No model has the role."""


@dataclass(eq=False)
class Poet:
    """A loaded model and the poems it is writing. One that has left its role lives until the last of them is done.

    Args:
        batch_size: poems it writes at once.
        run_id: the MLflow run that made it; None where it is no version of the registry.
    """

    name: str
    version: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    spoken_languages: dict[str, str] | None
    batch_size: int
    run_id: str | None = None
    decoder: Decoder = field(init=False)

    def __post_init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget all poems, as after a failure in the midst of a step."""
        self.decoder = Decoder(self.model, self.tokenizer, self.spoken_languages, self.batch_size)

    @property
    def named(self) -> Version:
        return Version(name=self.name, version=self.version)


@dataclass(frozen=True)
class Candidate:
    """A model that should have a role; two that are equal are the same model.

    Args:
        name: of the registered model, of a folder, or of a base.
        version: its number in the registry; None for a folder or a base, known by the hash of its weights instead.
        run_id: as for `Poet`.
    """

    name: str
    version: str | None = None
    run_id: str | None = None

    def folder(self) -> Path:
        """Bring the weights to this machine."""
        return fetch_version(self.name, self.version) if self.version else resolve_base(self.name)


class Shelf:
    """Which model has which role. The champion is loaded at once, the others when they are first asked for."""

    def __init__(self, params: Params, settings: Settings, meters: Meters) -> None:
        self.params, self.settings, self.meters = params, settings, meters
        self.poets: dict[Role, Poet] = {}
        self.faults: dict[Role, str] = {}  # why a role has no model, or not its newest
        self._candidates: dict[Role, Candidate] = {}  # what the poets were loaded as
        self._loading = asyncio.Lock()

    async def poet(self, role: Role) -> Poet:
        """The model in a role.

        Raises:
            NotServed: there is none; it says why.
        """
        if role not in self.poets:
            await self.refresh(role)
        if role not in self.poets:
            raise NotServed(self.faults[role])
        return self.poets[role]

    def served(self) -> list[Served]:
        """Each role as it stands."""
        poets = [(role, self.poets.get(role)) for role in get_args(Role)]
        return [Served(role=role, model=poet and poet.named, fault=self.faults.get(role)) for role, poet in poets]

    async def follow(self) -> None:
        """Load the champion, then look at the registry again and again, for as long as the task lives."""
        await self.refresh("champion")
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            for role in {"champion", *self.poets}:
                await self.refresh(role)

    async def refresh(self, role: Role) -> None:
        """Let the model that should have a role into it if it loads and writes; if not, the one that is there stays."""
        async with self._loading:
            try:
                candidate = await asyncio.to_thread(self.candidate, role)
                if self._candidates.get(role) != candidate:
                    poet = self._loaded_as(candidate) or await asyncio.to_thread(self._load, candidate)
                    self._seat(role, candidate, poet)
                self.faults.pop(role, None)
            except Exception as error:  # a model or a registry can be broken in any way; what is served must go on
                expected = isinstance(error, NotServed | BadInput)
                log.warning("no new %s: %s", role, error, exc_info=None if expected else error)
                self.faults[role] = str(error) if expected else f"{type(error).__name__}: {error}"
                self.meters.load_failures.labels(role).inc()
            self.meters.outdated.labels(role).set(role in self.faults)

    def candidate(self, role: Role) -> Candidate:
        """The model that should have a role now.

        Raises:
            NotServed: there is none.
            BadInput: the registry does not answer.
        """
        name, challenger = self.params.register_.model_name, self.params.register_.alias
        if role == "base":
            return Candidate(self.params.base)
        if role == "champion" and self.settings.model:
            return Candidate(str(self.settings.model))
        found = leading_version(self.params) if role == "champion" else alias_version(name, challenger)
        if found:
            return Candidate(name, str(found.version), found.run_id)
        if role == "champion" and LATEST.is_dir():
            return Candidate(str(LATEST))
        raise NotServed(
            f"No version of {name} is {role} yet. Make one with `make run`, or name a folder: ESTROFA_MODEL."
        )

    def _loaded_as(self, candidate: Candidate) -> Poet | None:
        return next((self.poets[role] for role, known in self._candidates.items() if known == candidate), None)

    def _load(self, candidate: Candidate) -> Poet:
        """Load a model and have it write a few words.

        Raises:
            BadInput: its weights cannot be had, or are not those registered.
        """
        folder = candidate.folder()
        model, tokenizer = load_base(folder, best_device())
        spoken = None if languages_of(tokenizer) else self.params.languages
        sampling = self.params.generation.model_copy(update={"max_words": TRIAL_WORDS})
        language = next(iter(self.params.languages))
        write_poems(model, tokenizer, [Request(language)], [sampling], [0], spoken)
        version = candidate.version or f"sha256:{sha256_of(min(folder.glob('*.safetensors')))[:12]}"
        name = Path(candidate.name).name if Path(candidate.name).is_dir() else candidate.name
        return Poet(name, version, model, tokenizer, spoken, self.settings.batch_size, candidate.run_id)

    def _seat(self, role: Role, candidate: Candidate, poet: Poet) -> None:
        self.poets[role], self._candidates[role] = poet, candidate
        log.info("%s is %s version %s", role, poet.name, poet.version)
        self.meters.serving.remove_by_labels({"role": role})
        self.meters.serving.labels(role, poet.name, poet.version).set(1)

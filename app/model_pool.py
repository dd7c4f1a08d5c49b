"""The models that are served, by role: loaded in the background, and replaced as the registry changes."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from app.schema import ModelVersion, Role, RoleStatus
from app.settings import Settings
from app.telemetry import Telemetry
from pipeline.common.identity import sha256_of
from pipeline.common.params import Params
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import Decoder, write_poems
from pipeline.modeling.base import best_device, load_base, resolve_base
from pipeline.modeling.prompt import Request, languages_of
from pipeline.release.registry import alias_version, fetch_version

log = logging.getLogger("estrofa")

LATEST = Path("models/poet")  # what `finetune` writes, served while the registry is empty
TRIAL_WORDS = 8  # that a model must write before it is served


class NoModel(Exception):
    """No model has the role yet."""


class LoadFailed(Exception):
    """The role's model could not be loaded. The message is fit for readers; the log has the details."""


@dataclass(eq=False)
class LoadedModel:
    """A model in memory and the poems it is writing. After it is replaced, it stays until the last of them is done.

    Args:
        name, version: as `ModelVersion` has them.
        batch_size: poems written at once.
        run_id: the MLflow run that made it; None for a model that is not in the registry.
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
        self.reset()

    def reset(self) -> None:
        """Drop all poems, as after a failure in the middle of a step."""
        self.decoder = Decoder(self.model, self.tokenizer, self.spoken_languages, self.batch_size)

    @property
    def identity(self) -> ModelVersion:
        return ModelVersion(name=self.name, version=self.version)


@dataclass(frozen=True)
class ModelSource:
    """Where a role's model comes from; equal sources are the same model.

    Args:
        name: of the registered model, of a folder, or of a base.
        version: its number in the registry; None for a folder or a base.
        run_id: as for `LoadedModel`.
    """

    name: str
    version: str | None = None
    run_id: str | None = None

    def folder(self) -> Path:
        """The folder of the weights, downloaded where they are not on this machine."""
        return fetch_version(self.name, self.version) if self.version else resolve_base(self.name)


class ModelPool:
    """Which model has which role. The champion is loaded at the start, the others on first use."""

    def __init__(self, params: Params, settings: Settings, telemetry: Telemetry) -> None:
        self.params, self.settings, self.telemetry = params, settings, telemetry
        self.models: dict[Role, LoadedModel] = {}
        self.errors: dict[Role, NoModel | LoadFailed] = {}  # why a role has no model, or not its newest
        self._sources: dict[Role, ModelSource] = {}  # of `models`
        self._had_champion = False  # then the challenger, which passed no gate, may not stand in for it
        self._loading = asyncio.Lock()

    async def get(self, role: Role) -> LoadedModel:
        """The model in a role.

        Raises:
            NoModel: there is none yet.
            LoadFailed: it could not be loaded.
        """
        if role not in self.models:
            await self.refresh(role)
        if role not in self.models:
            raise self.errors[role]
        return self.models[role]

    def status(self) -> list[RoleStatus]:
        """Each role with its model and its last error."""
        return [
            RoleStatus(
                role=role,
                model=self.models[role].identity if role in self.models else None,
                error=str(self.errors[role]) if role in self.errors else None,
            )
            for role in get_args(Role)
        ]

    async def follow_registry(self) -> None:
        """Load the champion, then check the registry every `poll_seconds` until the task is cancelled."""
        await self.refresh("champion")
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            for role in {"champion", *self.models}:
                await self.refresh(role)

    async def refresh(self, role: Role) -> None:
        """Load the model that should have a role, if it is new. If that fails, the current one stays."""
        async with self._loading:
            try:
                source = await asyncio.to_thread(self.find_source, role)
                if self._sources.get(role) != source:
                    model = self._already_loaded(source) or await asyncio.to_thread(self._load, source)
                    self._assign(role, source, model)
                self.errors.pop(role, None)
            except Exception as error:  # anything a model or a registry can raise; the server must go on
                expected = isinstance(error, NoModel | BadInput)
                log.warning("cannot load the %s: %s", role, error, exc_info=None if expected else error)
                self.errors[role] = error if isinstance(error, NoModel) else _load_failed(role, error)
                self.telemetry.load_failures.labels(role).inc()
            self.telemetry.outdated.labels(role).set(role in self.errors)

    def find_source(self, role: Role) -> ModelSource:
        """Where the model comes from that should have a role now.

        Raises:
            NoModel: no model has it yet, or the champion's alias was removed.
            BadInput: the registry does not answer.
        """
        name, challenger = self.params.register_.model_name, self.params.register_.alias
        if role == "base":
            return ModelSource(self.params.base)
        if role == "champion" and self.settings.model:
            return ModelSource(str(self.settings.model))
        found = alias_version(name, self.params.promote.alias) if role == "champion" else None
        current = self.models.get(role)
        if role == "champion" and self._had_champion and current and not found:
            problem = f"The alias {self.params.promote.alias} was removed from {name} in the registry."
            raise NoModel(f"{problem} Version {current.version} stays until you set it again.")
        self._had_champion |= found is not None
        found = found or alias_version(name, challenger)
        if found:
            return ModelSource(name, str(found.version), found.run_id)
        if role == "champion" and LATEST.is_dir():
            return ModelSource(str(LATEST))
        remedy = "Make one with `make run`" + (", or set ESTROFA_MODEL to a folder" if role == "champion" else "")
        raise NoModel(f"No version of {name} is {role} yet. {remedy}.")

    def _already_loaded(self, source: ModelSource) -> LoadedModel | None:
        return next((self.models[role] for role, loaded in self._sources.items() if loaded == source), None)

    def _load(self, source: ModelSource) -> LoadedModel:
        """Load a model and have it write a few words.

        Raises:
            BadInput: its files are not available, or not the ones registered.
        """
        folder = source.folder()
        model, tokenizer = load_base(folder, best_device())
        spoken = None if languages_of(tokenizer) else self.params.languages
        sampling = self.params.generation.model_copy(update={"max_words": TRIAL_WORDS})
        language = next(iter(self.params.languages))
        write_poems(model, tokenizer, [Request(language)], [sampling], [0], spoken)
        version = source.version or f"sha256:{sha256_of(min(folder.glob('*.safetensors')))[:12]}"
        name = Path(source.name).name if Path(source.name).is_dir() else source.name
        return LoadedModel(name, version, model, tokenizer, spoken, self.settings.batch_size, source.run_id)

    def _assign(self, role: Role, source: ModelSource, model: LoadedModel) -> None:
        self.models[role], self._sources[role] = model, source
        log.info("the %s is now %s version %s", role, model.name, model.version)
        self.telemetry.serving.remove_by_labels({"role": role})
        self.telemetry.serving.labels(role, model.name, model.version).set(1)


def _load_failed(role: Role, error: Exception) -> LoadFailed:
    """The error without places on this machine, which its place or its text may name."""
    reason = error.problem if isinstance(error, BadInput) else "the server's log says why"
    return LoadFailed(f"The {role} model is unavailable: {reason}.")

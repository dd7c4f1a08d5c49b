"""Settings of the server, read from the environment as `ESTROFA_` and the setting's name in capitals."""

from pathlib import Path

import pydantic
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.common.stage import BadInput


class Settings(BaseSettings):
    """Where to listen, what to serve, and how much at once."""

    model_config = SettingsConfigDict(env_prefix="ESTROFA_", frozen=True)

    host: str = "127.0.0.1"
    port: int = pydantic.Field(default=8000, ge=0, le=65535)
    model: Path | None = None  # a folder to serve instead of the registry's champion
    poll_seconds: float = pydantic.Field(default=30.0, gt=0)  # how often to check the registry
    batch_size: int = pydantic.Field(default=8, ge=1)  # poems a model writes at once; the others wait
    queue_size: int = pydantic.Field(default=40, ge=1)  # poems written or waiting; more are answered with status 429


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        BadInput: a variable has a value that is not allowed; names the variable.
    """
    try:
        return Settings()
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = f"ESTROFA_{str(first['loc'][0]).upper()}"
        raise BadInput(f"environment: {name}", f"{first['input']!r} is not allowed", first["msg"]) from error

"""What the server reads from the environment; each setting is `ESTROFA_` and its name in capitals."""

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
    poll_seconds: float = pydantic.Field(default=30.0, gt=0)  # between two looks at the registry
    batch_size: int = pydantic.Field(default=8, ge=1)  # poems a model writes at once; the rest wait for their turn
    queue_size: int = pydantic.Field(default=40, ge=1)  # poems written or waiting; who comes then is answered 429


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        BadInput: a variable holds what is not allowed; it is named.
    """
    try:
        return Settings()
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        name = f"ESTROFA_{str(fault['loc'][0]).upper()}"
        raise BadInput(f"environment: {name}", f"{fault['input']!r} is not allowed", fault["msg"]) from error

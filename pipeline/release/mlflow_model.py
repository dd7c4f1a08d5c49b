"""The model in the registry: a table of requests in, poems out.

MLflow keeps this file with the model (models from code) and runs it on loading, with `pipeline` beside it, so a version
writes poems on any machine that has its requirements, from any folder.
"""

from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import ColSpec, Schema

from pipeline.common.params import Generation, changed
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import write_poems
from pipeline.modeling.base import best_device, load_base
from pipeline.modeling.prompt import FIELDS, Request

SAMPLING_COLUMNS = {"temperature": "double", "top_p": "double", "top_k": "long", "max_words": "long", "stanzas": "long"}
SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec("string", "prompt"),  # the lines a poem starts with; may be empty
            ColSpec("string", "language"),
            *(ColSpec("string", name, required=False) for name in FIELDS),
            *(ColSpec(kind, name, required=False) for name, kind in SAMPLING_COLUMNS.items()),
            ColSpec("long", "seed", required=False),  # by default the row's number
        ]
    ),
    outputs=Schema([ColSpec("string", "poem")]),
)


class Poet(PythonModel):
    """The tuned model behind MLflow's `predict`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load weights and tokenizer from the artifact `poet`."""
        self.model, self.tokenizer = load_base(context.artifacts["poet"], best_device())

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Write a poem for each row.

        Args:
            model_input: the columns of the signature; what is absent or null in a row takes its default.

        Returns:
            One column, `poem`, with the rows' index.

        Raises:
            MlflowException: a row asks for what the model cannot do; names the row, the value and what is allowed.
        """
        languages = context.model_config["languages"]
        defaults = Generation.model_validate(context.model_config["generation"])
        rows = model_input.to_dict("records")
        try:
            requests = [_request(number, row, languages) for number, row in enumerate(rows)]
            samplings = [_sampling(number, row, defaults) for number, row in enumerate(rows)]
            seeds = [int(row["seed"]) if _given(row, "seed") else number for number, row in enumerate(rows)]
            poems = write_poems(self.model, self.tokenizer, requests, samplings, seeds)
        except BadInput as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return pd.DataFrame({"poem": [poem.text for poem in poems]}, index=model_input.index)


def _given(row: dict[str, Any], name: str) -> bool:
    return name in row and not pd.isna(row[name])


def _request(number: int, row: dict[str, Any], languages: dict[str, str]) -> Request:
    language = row["language"]
    if language not in languages:
        known = ", ".join(f"{code} ({name})" for code, name in languages.items())
        raise BadInput(f"row {number}: language", f"{language!r} is not one this model writes", f"Choose from {known}")
    fields = {name: row[name] for name in FIELDS if _given(row, name)}
    return Request(language, first_line=row["prompt"] if _given(row, "prompt") else "", **fields)


def _sampling(number: int, row: dict[str, Any], defaults: Generation) -> Generation:
    changes = {name: row[name] for name in SAMPLING_COLUMNS if _given(row, name)}
    return changed(defaults, changes, lambda name: f"row {number}: {name}")


set_model(Poet())

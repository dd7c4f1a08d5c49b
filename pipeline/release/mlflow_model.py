"""The model in the registry: a table of requests in, poems out.

MLflow stores this file with the model ("models from code") and runs it when the model is loaded, with `pipeline` beside
it. So a version writes poems in any folder of any machine that has its requirements.
"""

from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType

from pipeline.common.params import Generation, changed
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import write_poems
from pipeline.modeling.base import best_device, load_base
from pipeline.modeling.prompt import FIELDS, Request

INTEGERS = ("top_k", "max_words", "stanzas")
SAMPLING = ("temperature", "top_p", *INTEGERS)
LARGEST_EXACT = 2**53  # beyond it a float64 no longer holds every integer

# What may be null is of type Any, since MLflow's own types don't take nulls: an integer column with a null in it is
# float64 to pandas, which is refused as `long`, and a null string in MLflow's format `inputs` becomes the text "None".
# `Poet` checks the values instead. The price: MLflow reads no CSV for such a signature, only JSON and Parquet.
OPTIONAL = (*FIELDS, *SAMPLING, "seed")
SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(AnyType(), "prompt"),  # the lines a poem starts with; may be empty
            ColSpec("string", "language"),
            *(ColSpec(AnyType(), name, required=False) for name in OPTIONAL),
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
            model_input: the columns of the signature. A missing column, and a cell that is null or NaN, takes the
                default; that of `seed` is the row's number. `top_k`, `max_words`, `stanzas` and `seed` are integers:
                40.0 counts as one, 2.5 doesn't.

        Returns:
            One column, `poem`, with the rows' index.

        Raises:
            MlflowException: the model can't do what a row asks for; names the row, the value and what is allowed.
        """
        languages = context.model_config["languages"]
        defaults = Generation.model_validate(context.model_config["generation"])
        rows = [
            {name: value for name, value in row.items() if not _is_null(value)}
            for row in model_input.to_dict("records")
        ]
        try:
            requests = [_request(number, row, languages) for number, row in enumerate(rows)]
            samplings = [_sampling(number, row, defaults) for number, row in enumerate(rows)]
            seeds = [_integer(number, row, "seed") if "seed" in row else number for number, row in enumerate(rows)]
            poems = write_poems(self.model, self.tokenizer, requests, samplings, seeds)
        except BadInput as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return pd.DataFrame({"poem": [poem.text for poem in poems]}, index=model_input.index)


def _is_null(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _request(number: int, row: dict[str, Any], languages: dict[str, str]) -> Request:
    for name in ("prompt", "language", *FIELDS):
        if not isinstance(row.get(name, ""), str):
            raise BadInput(f"row {number}: {name}", f"{row[name]!r} is not text", "Give a string, or null for none")
    language = row.get("language")
    if language not in languages:
        known = ", ".join(f"{code} ({name})" for code, name in languages.items())
        raise BadInput(f"row {number}: language", f"{language!r} is not one this model writes", f"Choose from {known}")
    fields = {name: row[name] for name in FIELDS if name in row}
    return Request(language, first_line=row.get("prompt", ""), **fields)


def _sampling(number: int, row: dict[str, Any], defaults: Generation) -> Generation:
    changes = {name: _integer(number, row, name) if name in INTEGERS else row[name] for name in SAMPLING if name in row}
    return changed(defaults, changes, lambda name: f"row {number}: {name}")


def _integer(number: int, row: dict[str, Any], name: str) -> int:
    """The integer in a cell, which pandas turns into a float where another cell of the column is empty."""
    value = row[name]
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if not (isinstance(value, float | np.floating) and value.is_integer()):
        raise BadInput(f"row {number}: {name}", f"{value!r} is not an integer", "Give one, or null for the default")
    if abs(value) > LARGEST_EXACT:
        problem = f"{value:.0f} is rounded, since the column also has empty cells"
        raise BadInput(f"row {number}: {name}", problem, f"Fill every cell, or stay below {LARGEST_EXACT}")
    return int(value)


set_model(Poet())

"""How long the standard evaluation of one model takes: 64 poems per language of up to `max_words`, and all metrics.

    python -m benchmarks.evaluation [--model FOLDER_OR_BASE] [--poems 64] [--write PAGE]

It reads data/tokens, which `make run` leaves. Each part is timed where `evaluate_models` calls it.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.page import markdown, write_page
from pipeline import evaluate
from pipeline.common.params import load_params
from pipeline.common.tables import read_table
from pipeline.metrics import measure

PARTS = {
    "scoring the test poems": (evaluate, "measure_fit"),
    "writing poems": (evaluate, "write_poems"),
    "metrics of language, repetition and sound": (measure, "measure_texts"),
    "metrics of originality and style": (measure, "measure_against_training"),
    "metrics of coherence": (measure, "measure_coherence"),
    "metrics of all poems together, with intervals": (evaluate, "estimate_metrics"),
}


def timed(function: Callable[..., Any], seconds: dict[str, float], part: str) -> Callable[..., Any]:
    """The same function, adding the time of each call to that of its part."""

    def run(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds[part] += time.perf_counter() - started

    return run


def measure_speed(model: str, poems: int) -> dict[str, float]:
    """Seconds of each part, and of everything including the loading of the model."""
    params = load_params()
    changed = params.evaluate.model_copy(update={"poems_per_language": poems, "test_poems": poems})
    params = params.model_copy(update={"evaluate": changed})
    test, train = (read_table(evaluate.TOKENS / f"{split}.parquet") for split in ("test", "train"))
    seconds = dict.fromkeys(PARTS, 0.0)
    for part, (module, name) in PARTS.items():
        setattr(module, name, timed(getattr(module, name), seconds, part))
    started = time.perf_counter()
    evaluate.evaluate_models({"tuned": model}, test, train, params)
    seconds["everything"] = time.perf_counter() - started
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(evaluate.POET))
    parser.add_argument("--poems", type=int, default=64, help="of each language, written and human")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    seconds = measure_speed(arguments.model, arguments.poems)
    table = markdown(("part", "seconds"), [(part, f"{taken:.1f}") for part, taken in seconds.items()])
    print(table)
    if arguments.write:
        write_page(arguments.write, "How long an evaluation takes", "benchmarks.evaluation", table)


if __name__ == "__main__":
    main()

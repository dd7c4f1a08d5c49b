"""The straightforward way to a clean corpus: pandas' drop_duplicates, and `apply` with langdetect.

    python -m benchmarks.straightforward FILE.jsonl

keeps the poems whose text stands once and whose language is the declared one; `benchmarks.corpus` measures it.
"""

import sys

import langdetect
import pandas as pd


def detect(text: str) -> str | None:
    try:
        return langdetect.detect(text)
    except langdetect.LangDetectException:
        return None


if __name__ == "__main__":
    langdetect.DetectorFactory.seed = 0
    poems = pd.read_json(sys.argv[1], lines=True).drop_duplicates("text")
    poems["language"] = poems["text"].apply(detect)
    print(len(poems[poems["language"] == poems["declared_language"]]))

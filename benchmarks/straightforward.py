"""A straightforward way to clean a corpus: pandas' drop_duplicates, and langdetect on every poem.

    python -m benchmarks.straightforward FILE.jsonl

drops exact duplicates and poems that are not in their declared language; `benchmarks.corpus` compares it with ours.
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

"""The model card: the README of a folder of weights, for people and for the hub."""

import json
from typing import Any

from pipeline.common.params import Params
from pipeline.modeling.base import describe_base, licence_of


def model_card(params: Params, poems: dict[str, dict[str, int]], metrics: dict[str, Any]) -> str:
    """A README for the tuned model, with the metadata that the hub reads.

    Args:
        poems: number of poems by split and language.
        metrics: what `finetune` measured.
    """
    languages = ", ".join(params.languages.values())
    counts = "; ".join(
        f"{split}: " + ", ".join(f"{count} {params.languages.get(code, code)}" for code, count in by_language.items())
        for split, by_language in poems.items()
    )
    sources = ", ".join(params.scrape.sources)
    return f"""---
base_model: {params.base}
license: {licence_of(params.base)}
language: [{", ".join(params.languages)}]
pipeline_tag: text-generation
library_name: transformers
tags: [poetry]
---

# A poetry model for {languages}

{describe_base(params.base)}, tuned by Estrofa on poems from {sources} ({counts}).

## Prompt format

A header, then the first line. `<|es|>` is the language; style, author and title are each optional.

```
<|es|>Style: soneto
Title: La grúa

first line
```

## Training

```json
{json.dumps(params.finetune.model_dump(), indent=2)}
```

## Metrics of the training run

```json
{json.dumps(metrics, indent=2)}
```

## Limits

This is a small model. It writes verse that scans and sometimes makes sense, knows little about the world, and may
repeat lines it was trained on. The weights keep the licence of their base ({licence_of(params.base)}).
"""

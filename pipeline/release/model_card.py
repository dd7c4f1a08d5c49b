"""The model card: what a folder of weights says of itself to people and to the hub."""

import json
from typing import Any

from pipeline.common.params import Params
from pipeline.modeling.base import licence_of


def model_card(params: Params, poems: dict[str, dict[str, int]], figures: dict[str, Any]) -> str:
    """A hub-ready README for the tuned model.

    Args:
        poems: number of poems by split and language.
        figures: what `finetune` measured.
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

# A poet of {languages}

{params.base}, tuned by Estrofa on poems from {sources} ({counts}).

## How to ask

A header, then the first line. `<|es|>` is the language; style, author and title may each be left out.

```
<|es|>Style: soneto
Title: La grúa

first line
```

## How it was made

```json
{json.dumps(params.finetune.model_dump(), indent=2)}
```

## What it measured while training

```json
{json.dumps(figures, indent=2)}
```

## Limits

A small model: it writes verse that scans and sometimes means something, it knows little of the world, and it may
repeat what it read. The weights keep the licence of their base ({licence_of(params.base)}).
"""

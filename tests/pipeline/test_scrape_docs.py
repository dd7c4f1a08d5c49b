"""The examples in the page on sources are entries that params.yaml takes."""

import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from pipeline.common.params import Scrape, Source

PAGE = (Path(__file__).parents[2] / "docs/sources.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"### `([\w-]+)`.*?```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_is_a_valid_source_of_its_kind(kind, example):
    [source] = Scrape(sources=YAML(typ="safe").load(example)).sources.values()
    assert source.kind == kind


def test_every_kind_of_source_is_explained():
    annotated, _ = get_args(Source)
    kinds = {kind for source in get_args(annotated) for kind in get_args(source.model_fields["kind"].annotation)}
    assert {kind for kind, _ in EXAMPLES} == kinds

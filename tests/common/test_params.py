"""params.yaml is checked before any work, and a preset changes values without disturbing the file."""

import copy
from contextlib import nullcontext
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from app.schema import PoemRequest
from ops.presets import PRESETS, apply_preset
from pipeline.common.params import load_params, parse_params
from pipeline.common.stage import BadInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def values():
    return YAML(typ="safe").load(ROOT / "params.yaml")


def test_the_shipped_params_are_valid_and_every_language_is_tagged_and_prompted(values):
    params = parse_params(values)
    assert set(params.languages) <= set(params.tag.candidates)
    assert set(params.languages) == set(params.evaluate.prompts)


@pytest.mark.parametrize(
    ("section", "key", "value", "allowed"),
    [
        ("clean", "min_words", -3, "greater than 0"),
        ("clean", "max_words", "many", "valid integer"),
        ("tokenize", "test_share", 1.5, "less than 1"),
        ("finetune", "method", "qlora-ish", "'lora', 'qlora' or 'full'"),
        ("generation", "temperature", 9, "less than or equal to 5"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(values, section, key, value, allowed):
    values[section][key] = value
    with pytest.raises(BadInput) as error:
        parse_params(values)
    assert f"params.yaml: {section}.{key}" in str(error.value)
    assert repr(value) in str(error.value)
    assert allowed in str(error.value)


def test_an_unknown_key_is_named(values):
    values["clean"]["min_wrods"] = 3
    with pytest.raises(BadInput, match=r"clean\.min_wrods: unknown key"):
        parse_params(values)


def test_a_missing_key_is_named(values):
    del values["finetune"]["epochs"]
    with pytest.raises(BadInput, match=r"finetune\.epochs: missing"):
        parse_params(values)


def test_a_language_without_a_code_is_refused(values):
    values["languages"]["Spanish"] = "Spanish"
    with pytest.raises(BadInput, match=r"languages\.Spanish"):
        parse_params(values)


@pytest.mark.parametrize(
    ("code", "allowed"), [("es", True), ("sco", True), ("e", False), ("span", False), ("ES", False)]
)
def test_params_and_api_take_codes_of_two_or_three_letters(values, code, allowed):
    values["tag"]["candidates"] = ["en", "es", code]
    for check in (lambda: parse_params(values), lambda: PoemRequest(language=code)):
        with nullcontext() if allowed else pytest.raises((BadInput, ValidationError), match=f"'{code}'"):
            check()


@pytest.mark.parametrize("lacking", ["tag", "evaluate"])
def test_a_language_must_be_a_tag_candidate_and_have_prompts(values, lacking):
    values["languages"]["it"] = "Italian"
    values["evaluate"]["prompts"]["it"] = ["Nel mezzo"]
    if lacking == "tag":
        values["tag"]["candidates"] = ["en", "es"]
    else:
        del values["evaluate"]["prompts"]["it"]
    with pytest.raises(BadInput, match="'it'"):
        parse_params(values)


def test_an_unknown_kind_of_source_names_the_kinds_there_are(values):
    values["scrape"]["sources"] = {"mine": {"kind": "telepathy"}}
    with pytest.raises(BadInput, match=r"wikisource.*files"):
        parse_params(values)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"clean: [1", "not YAML"), (b"- a list\n", "not a mapping"), (b"\xff\xfe\x00", "not YAML")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, problem):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(BadInput, match=problem):
        load_params(tmp_path / "params.yaml")


def test_an_absent_file_says_where_to_run_from(tmp_path):
    with pytest.raises(BadInput, match="repository's root"):
        load_params(tmp_path / "params.yaml")


def test_every_preset_sets_the_same_keys_so_that_going_back_restores_them_all():
    presets = [YAML(typ="safe").load(path) for path in sorted((ROOT / PRESETS).glob("*.yaml"))]
    assert all(preset.pop("base") for preset in presets)
    keys = [{(section, key) for section, values in preset.items() for key in values} for preset in presets]
    assert len(keys) == 7
    assert all(these == keys[0] for these in keys)


@pytest.mark.parametrize("preset", sorted(path.stem for path in (ROOT / PRESETS).glob("*.yaml")))
def test_a_preset_gives_valid_params_and_says_what_it_changed(values, preset):
    before = copy.deepcopy(values)
    changes = apply_preset(values, YAML(typ="safe").load(ROOT / PRESETS / f"{preset}.yaml"))
    parse_params(values)
    assert bool(changes) == (values != before)


def test_the_quick_preset_is_what_the_repository_ships(values):
    assert apply_preset(values, YAML(typ="safe").load(ROOT / PRESETS / "quick.yaml")) == []


def test_a_preset_names_the_base_and_what_else_it_changed(values):
    changes = apply_preset(values, YAML(typ="safe").load(ROOT / PRESETS / "llama-lora-r64.yaml"))
    assert {
        "base: gemma-3-270m → meta-llama/Llama-3.2-1B-Instruct",
        "finetune.lora_rank: 16 → 64",
        "finetune.lora_alpha: 32 → 16",
    } <= set(changes)
    assert parse_params(values).base == "meta-llama/Llama-3.2-1B-Instruct"

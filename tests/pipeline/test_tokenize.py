"""Poems become rows: no duplicates across splits, whole poems packed tightly, none seeing another."""

import gzip
import itertools
import json
from random import Random

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from pipeline import tokenize
from pipeline.common.stage import BadInput
from pipeline.common.tables import POEM_SCHEMA, read_report, read_table, write_table
from pipeline.modeling.base import load_base
from pipeline.modeling.likelihood import bits_per_byte, hidden_states, poem_log_likelihoods, summed_loss, token_losses
from pipeline.modeling.prompt import Request, header, languages_of
from pipeline.tokenize import add_language_tokens, split_poems, tokenize_poems, write_rows
from pipeline.training.packing import Example, best_fit, cut_at_lines, even_out, examples_of, pack, read_rows
from tests.support.made_up import FAMILIES, ROOT, changed_params, made_up_poems, tiny_tokenizer, write_project

CHANGES = {"tokenize.block_size": 256, "tokenize.validation_share": 0.15, "tokenize.test_share": 0.15}
PARAMS = changed_params(CHANGES).tokenize


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = tiny_tokenizer(begin=True)
    add_language_tokens(tokenizer, ["en", "es"])
    return tokenizer


# The split


@pytest.fixture
def split(tmp_path):
    """Split a table of poems, which comes a few rows at a time, and read the tables of the sides."""
    folders = (tmp_path / str(number) for number in itertools.count())

    def split(poems, params=PARAMS):
        (folder := next(folders)).mkdir()
        split_poems((poems[start : start + 7] for start in range(0, len(poems), 7)), folder, params)
        return {name: read_table(folder / f"{name}.parquet") for name in tokenize.SPLITS}

    return split


def test_each_poem_falls_on_one_side_and_none_is_lost(split):
    poems = made_up_poems(60)
    splits = split(poems)
    assert sorted(pd.concat(splits.values())["poem_id"]) == sorted(poems["poem_id"])


def test_duplicates_never_cross_the_split(split):
    poems = made_up_poems(90)
    poems["cluster"] = [f"{language}{number % 30}" for number, language in enumerate(poems["language"])]
    splits = split(poems)
    sides = [set(split["cluster"]) for split in splits.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 60


def test_the_shares_are_close_to_those_asked_for(split):
    splits = split(made_up_poems(1000))
    for name in ("validation", "test"):
        for share in splits[name]["language"].value_counts() / 1000:
            assert share == pytest.approx(0.15, abs=0.04)


def test_adding_poems_moves_none_of_those_that_were_there(split):
    poems = made_up_poems(120)
    before, after = split(made_up_poems(60)), split(poems.sample(frac=1, random_state=0))
    for name in tokenize.SPLITS:
        assert set(before[name]["poem_id"]) <= set(after[name]["poem_id"])


def test_another_seed_makes_another_split(split):
    one, other = (split(made_up_poems(60), PARAMS.model_copy(update={"seed": seed})) for seed in (0, 1))
    assert set(one["test"]["poem_id"]) != set(other["test"]["poem_id"])


def test_a_corpus_too_small_to_split_is_refused_with_the_count_and_the_language(split):
    poems = made_up_poems(60)
    few = pd.concat([poems[poems["language"] == "es"], poems[poems["language"] == "en"].head(2)])
    with pytest.raises(BadInput, match=r"too small to split: its 2 poems in 'en'.*Add poems"):
        split(few)


def test_no_poems_at_all_is_refused_and_points_at_the_rejects(split):
    with pytest.raises(BadInput, match=r"no poems.*rejects\.parquet"):
        split(made_up_poems(0))


# Poems as examples


def decoded(tokenizer, example):
    prompt, rest = example.input_ids[: example.header_length], example.input_ids[example.header_length :]
    return tokenizer.decode(prompt), tokenizer.decode(rest)


def test_an_example_is_the_header_then_the_text_then_the_end_of_text(tokenizer):
    poems = made_up_poems(3)
    for poem, example in zip(poems.to_dict("records"), tokenize_poems(poems, tokenizer, PARAMS, False), strict=True):
        prompt, rest = decoded(tokenizer, example)
        request = Request(poem["language"], style=poem["style"], author=poem["author"], title=poem["title"])
        assert prompt == "<bos>" + header(request)
        assert rest == poem["text"] + "<eos>"


def test_a_language_token_is_one_token(tokenizer):
    assert len(tokenizer.encode("<|es|>", add_special_tokens=False)) == 1
    assert len({tokenizer.convert_tokens_to_ids(f"<|{code}|>") for code in ("en", "es")}) == 2


def test_a_model_knows_its_languages_by_their_tokens_and_takes_no_token_of_its_base_for_one():
    base = tiny_tokenizer(begin=True)
    base.add_tokens(["<|end|>", "<|pad|>", "<|user|>"], special_tokens=True)
    assert languages_of(base) == []
    add_language_tokens(base, ["en", "sco"])
    assert languages_of(base) == ["en", "sco"]


def test_fields_are_dropped_in_training_at_the_rate_asked_for_and_kept_elsewhere(tokenizer):
    poems = made_up_poems(200, lines=range(4, 5))
    params = PARAMS.model_copy(update={"drop_field": 0.3})
    with_title = {
        training: np.mean(
            ["Title: " in decoded(tokenizer, e)[0] for e in tokenize_poems(poems, tokenizer, params, training)]
        )
        for training in (True, False)
    }
    assert with_title[True] == pytest.approx(0.7, abs=0.08)
    assert with_title[False] == 1.0


def test_the_same_seed_gives_the_same_examples(tokenizer):
    poems = made_up_poems(20)
    assert tokenize_poems(poems, tokenizer, PARAMS, True) == tokenize_poems(poems, tokenizer, PARAMS, True)


def test_a_poem_longer_than_a_row_goes_on_under_its_header_from_a_whole_line(tokenizer):
    poems = made_up_poems(1, lines=range(60, 61))
    params = PARAMS.model_copy(update={"block_size": 128})
    examples = tokenize_poems(poems[:1], tokenizer, params, training=False)
    prompts, stretches = zip(*(decoded(tokenizer, example) for example in examples), strict=True)
    assert len(examples) > 2
    assert all(len(example.input_ids) <= 128 for example in examples)
    assert len(set(prompts)) == 1
    assert all(stretch.endswith("\n") for stretch in stretches[:-1])
    assert "".join(stretches) == poems["text"][0] + "<eos>"


@given(lines=st.lists(st.sampled_from(["the river", "el río guarda su plata", ""]), min_size=1, max_size=30))
@settings(max_examples=50)
def test_no_poem_is_cut_that_fits_a_row_and_no_token_of_a_longer_one_is_lost(tokenizer, lines):
    text = "\n".join(lines)
    examples = list(examples_of(tokenizer, [Request("es", title="Agua")], [text], block_size=64))
    ids = tokenizer.encode(text, add_special_tokens=False)
    head = examples[0].header_length
    assert (len(examples) == 1) == (head + len(ids) + 1 <= 64)
    assert [token for example in examples for token in example.input_ids[head:]] == [*ids, tokenizer.eos_token_id]


def test_a_header_that_fills_the_row_is_refused(tokenizer):
    poems = made_up_poems(1)
    poems["title"] = "la casa " * 200
    with pytest.raises(BadInput, match=r"block_size.*header.*tokens"):
        tokenize_poems(poems, tokenizer, PARAMS, training=False)


# Packing


@given(st.lists(st.integers(1, 64), max_size=200))
def test_every_item_lands_in_one_bin_that_holds_it(lengths):
    bins = best_fit(lengths, 64)
    assert sorted(item for items in bins for item in items) == list(range(len(lengths)))
    assert all(0 < sum(lengths[item] for item in items) <= 64 for items in bins)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200))
def test_no_two_bins_could_have_been_one(lengths):
    filled = sorted(sum(lengths[item] for item in items) for items in best_fit(lengths, 64))
    assert len(filled) == 1 or filled[0] + filled[1] > 64


def test_at_scale_nearly_every_position_is_a_real_token():
    random = Random(0)
    lengths = [min(256, max(24, int(random.lognormvariate(5, 0.6)))) for _ in range(5000)]
    assert sum(lengths) / (256 * len(best_fit(lengths, 256))) >= 0.97


@given(st.lists(st.integers(1, 64), max_size=60))
@settings(max_examples=30)
def test_evening_out_loses_no_item_overfills_no_bin_and_never_needs_more(lengths):
    bins = best_fit(lengths, 64)
    fuller = even_out(bins, lengths, 64)
    assert sorted(item for items in fuller for item in items) == list(range(len(lengths)))
    assert all(0 < sum(lengths[item] for item in items) <= 64 for items in fuller)
    assert len(fuller) <= len(bins)
    assert even_out(bins, lengths, 64) == fuller


def test_a_few_hundred_poems_that_fit_two_or_three_to_a_row_fill_rows_too():
    random = Random(1)
    lengths = [int(random.triangular(100, 360, 180)) for _ in range(260)]
    fullest = -(-sum(lengths) // 512)
    bins = best_fit(lengths, 512)
    assert len(bins) > fullest + 1
    assert len(even_out(bins, lengths, 512)) <= fullest + 1


@given(
    lines=st.lists(st.integers(1, 40), min_size=1, max_size=40),
    stanza=st.integers(2, 6),
    room=st.integers(8, 60),
)
def test_cuts_cover_the_poem_in_order_and_fall_inside_a_line_only_where_it_is_longer_than_the_room(lines, stanza, room):
    ends = np.cumsum(lines).tolist()
    stretches = cut_at_lines(ends, ends[stanza - 1 :: stanza], ends[-1], room)
    assert stretches[0][0] == 0
    assert stretches[-1][1] == ends[-1]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(stretches))
    assert all(0 < end - start <= room for start, end in stretches)
    for start, end in stretches[:-1]:
        assert end in ends or not any(start < line_end <= start + room for line_end in ends)


def test_a_cut_prefers_the_end_of_a_stanza_to_a_longer_stretch():
    ends = list(range(10, 101, 10))
    assert cut_at_lines(ends, [40, 80], 100, room=60) == [(0, 40), (40, 100)]


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 20)), min_size=1, max_size=40))
def test_rows_hold_every_example_whole_with_its_own_positions_and_labels(sizes):
    examples = [
        Example([1000 * number + place for place in range(head + body)], head)
        for number, (head, body) in enumerate(sizes, start=1)
    ]
    packed = pack(examples, 32, pad_token_id=7)
    found = []
    for ids, labels, positions in zip(*(packed[name].tolist() for name in packed), strict=True):
        at = 0
        while at < 32 and ids[at] != 7:
            example = examples[ids[at] // 1000 - 1]
            end = at + len(example.input_ids)
            assert ids[at:end] == example.input_ids
            assert positions[at:end] == list(range(end - at))
            assert labels[at:end] == [-100] * example.header_length + example.input_ids[example.header_length :]
            found.append(ids[at] // 1000)
            at = end
        assert set(ids[at:]) <= {7}
        assert set(labels[at:]) <= {-100}
    assert sorted(found) == list(range(1, len(examples) + 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_batch_gives_each_token_the_likelihood_it_has_alone(tiny_bases, family):
    model, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    add_language_tokens(tokenizer, ["en", "es"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    examples = tokenize_poems(made_up_poems(6), tokenizer, PARAMS, training=False)
    rows = {
        name: torch.from_numpy(column).long() for name, column in pack(examples, 256, tokenizer.pad_token_id).items()
    }
    lengths = [len(example.input_ids) for example in examples]
    order = [item for items in even_out(best_fit(lengths, 256), lengths, 256) for item in items]
    assert len(rows["input_ids"]) < len(examples)
    with torch.no_grad():
        packed = token_losses(model, hidden_states(model, rows["input_ids"], rows["position_ids"]), rows["labels"])
        blind = token_losses(model, hidden_states(model, rows["input_ids"]), rows["labels"])
        alone = []
        for example in (examples[item] for item in order):  # by the model's own logits, in the plainest way
            ids = torch.tensor(example.input_ids)
            log_likelihoods = model(ids[None]).logits[0, :-1].log_softmax(dim=-1)
            alone.append(-log_likelihoods.gather(1, ids[1:, None])[example.header_length - 1 :, 0])
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=0)
    assert (blind - torch.cat(alone)).abs().max() > 1e-2  # without positions the poems do see each other


# Likelihoods


@pytest.mark.parametrize("family", FAMILIES)
def test_a_poems_likelihood_is_that_of_its_text_alone_whatever_the_batch(tiny_bases, family):
    model, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    poems = made_up_poems(4)
    requests = [Request(poem["language"], title=poem["title"]) for poem in poems.to_dict("records")]
    names = {"en": "English", "es": "Spanish"}
    found = poem_log_likelihoods(model, tokenizer, requests, poems["text"].tolist(), 3, names)
    for request, text, log_likelihood in zip(requests, poems["text"], found, strict=True):
        prompt = tokenizer.bos_token + header(request, names[request.language])
        before, ids = (tokenizer.encode(part, add_special_tokens=False) for part in (prompt, text))
        with torch.no_grad():
            table = model(torch.tensor([before + ids])).logits[0].log_softmax(dim=-1)
        expected = sum(table[len(before) - 1 + place, token].item() for place, token in enumerate(ids))
        assert log_likelihood == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_loss_and_gradients_by_chunks_are_those_of_the_whole_logits(tiny_bases, monkeypatch, softcap):
    model, _ = load_base(tiny_bases["gemma3"], dtype=torch.float32)
    model.config.final_logit_softcapping = softcap  # as some of the Gemma family have it
    monkeypatch.setattr("pipeline.modeling.likelihood.CHUNK", 7)
    ids = torch.randint(3, 300, (2, 20), generator=torch.Generator().manual_seed(0))
    labels = ids.masked_fill(torch.arange(20) < 6, -100)

    def loss_and_gradients(loss):
        model.zero_grad()
        loss.backward()
        return loss.item(), [parameter.grad.clone() for parameter in model.parameters()]

    loss, gradients = loss_and_gradients(summed_loss(model, hidden_states(model, ids), labels) / 28)
    whole_loss, whole_gradients = loss_and_gradients(model(ids, labels=labels).loss)
    assert loss == pytest.approx(whole_loss, abs=1e-5)
    torch.testing.assert_close(gradients, whole_gradients, atol=1e-5, rtol=1e-3)
    assert token_losses(model, hidden_states(model, ids), labels).mean().item() == pytest.approx(loss, abs=1e-5)


def test_bits_per_byte_count_bytes_and_not_characters():
    nats = np.log(2) * 6
    assert bits_per_byte([-nats / 2, -nats / 2], ["año", "mi"]) == pytest.approx(1.0)


# The stage


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stage_writes_rows_tables_and_a_tokenizer(tmp_path, monkeypatch, tiny_bases, family):
    poems = made_up_poems(60)
    write_project(tmp_path, poems, {"base": str(tiny_bases[family]), **CHANGES})
    monkeypatch.chdir(tmp_path)
    tokenize.main()
    report = read_report(tokenize.REPORT)
    tables = {name: read_table(tokenize.TOKENS / f"{name}.parquet") for name in tokenize.SPLITS}
    assert sum(map(len, tables.values())) == len(poems)
    assert report["poems"] == {
        name: table["language"].value_counts().sort_index().to_dict() for name, table in tables.items()
    }
    saved = AutoTokenizer.from_pretrained(tokenize.TOKENS / "tokenizer")
    assert saved.encode("<|es|>", add_special_tokens=False) == [saved.convert_tokens_to_ids("<|es|>")]
    for name in ("train", "validation"):
        rows = read_rows(tokenize.TOKENS / name).with_format("numpy")
        real = (rows["position_ids"][:] > 0).sum() + len(tables[name])  # position 0 is a poem's start, or padding
        assert rows["input_ids"][:].shape == (report[name]["rows"], 256)
        assert report[name]["tokens"] == real
        assert report[name]["tokens_in_loss"] == (rows["labels"][:] != -100).sum()
        assert report[name]["utilisation"] == pytest.approx(real / (256 * len(rows)), abs=1e-3)


def test_rows_of_many_windows_hold_what_those_of_one_hold(tmp_path, monkeypatch, tokenizer):
    write_table(made_up_poems(60), tmp_path / "train.parquet", POEM_SCHEMA)

    def poems_in_rows(name):
        report = write_rows(tmp_path / "train.parquet", tmp_path / name, tokenizer, PARAMS)
        rows = read_rows(tmp_path / name).with_format("numpy")
        labels, text = rows["labels"][:].ravel(), rows["input_ids"][:].ravel()
        ends = np.flatnonzero(labels == tokenizer.eos_token_id) + 1
        return report, sorted(
            part[part_labels != -100].tolist()
            for part, part_labels in zip(np.split(text, ends), np.split(labels, ends), strict=True)
        )

    one_report, one = poems_in_rows("one")
    monkeypatch.setattr(tokenize, "WINDOW", 7)
    monkeypatch.setattr(tokenize, "BATCH", 4)
    many_report, many = poems_in_rows("many")
    assert many == one
    assert many_report["rows"] >= one_report["rows"]
    assert [many_report[name] for name in ("tokens", "tokens_in_loss")] == [
        one_report[name] for name in ("tokens", "tokens_in_loss")
    ]


def test_a_failure_leaves_no_half_written_tokens(tmp_path, monkeypatch, tiny_bases, capsys):
    poems = made_up_poems(60)
    poems.loc[59, "title"] = "la casa " * 200
    write_project(tmp_path, poems, {"base": str(tiny_bases["llama"]), **CHANGES})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        tokenize.main()
    assert end.value.code == 2
    assert "block_size" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["tagged"]
    assert not (tmp_path / "metrics").exists()


@pytest.mark.slow
def test_a_real_corpus_fills_at_least_97_percent_of_the_positions(tokenizer):
    corpus = ROOT.parent / "shared" / "corpus" / "english-public-domain.jsonl.gz"
    if not corpus.exists():
        pytest.skip("the corpus is not beside this checkout")
    with gzip.open(corpus, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(3000), lines, strict=False)]
    texts = [text for text in texts if len(text.split()) <= 200]  # the tiny vocabulary needs three times the tokens
    poems = pd.DataFrame({"text": texts, "language": "en", "style": None, "author": None, "title": "A poem"})
    poems["poem_id"] = poems.index.astype(str)
    params = PARAMS.model_copy(update={"block_size": 1024})
    examples = tokenize_poems(poems, tokenizer, params, training=True)
    rows = len(pack(examples, 1024, 0)["input_ids"])
    assert sum(len(example.input_ids) for example in examples) / (rows * 1024) >= 0.97

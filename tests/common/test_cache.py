"""What an earlier run found is used again, for the same items, arguments and code; the bytes stay the same."""

from pathlib import Path
from types import ModuleType

import pytest
from distributed import LocalCluster

from pipeline import clean, tag
from pipeline.common.cache import code_version, map_new
from tests.pipeline.test_clean import raw
from tests.support.made_up import changed_params, made_up_poem


def lengths(texts, calls):
    with Path(calls).open("a") as file:
        file.writelines(f"{text}\n" for text in texts)
    return [len(text) for text in texts]


@pytest.fixture
def run(tmp_path):
    """Map `lengths` and return its results and the items it was called with."""

    def run(items, code="1", store="store.sqlite"):
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        results = map_new(lengths, items, str(calls), code=code, store=store and tmp_path / store)
        return list(results), calls.read_text().split() if calls.exists() else []

    return run


def test_only_new_and_changed_items_are_computed(run):
    assert run(["a", "bb", "ccc"]) == ([1, 2, 3], ["a", "bb", "ccc"])
    assert run(["ccc", "dddd", "a", "dddd"]) == ([3, 4, 1, 4], ["dddd"])
    assert run(["dddd"]) == ([4], [])


def test_what_a_run_had_no_use_for_is_forgotten(run):
    run(["a", "bb"])
    run(["a"])
    assert run(["a", "bb"]) == ([1, 2], ["bb"])


def test_other_code_other_function_or_other_arguments_compute_anew(run, tmp_path):
    run(["a"])
    assert run(["a"], code="2") == ([1], ["a"])
    other = str(tmp_path / "other-calls")
    map_new(lengths, ["a"], other, code="2", store=tmp_path / "store.sqlite")
    assert Path(other).exists()


def test_a_store_that_is_not_whole_is_made_again(run, tmp_path):
    run(["a"])
    store = tmp_path / "store.sqlite"
    store.write_bytes(store.read_bytes()[:-9])
    assert run(["a"]) == ([1], ["a"])
    assert run(["a"]) == ([1], [])


def test_without_a_store_everything_is_computed(run):
    assert run(["a"], store=None) == run(["a"], store=None) == ([1], ["a"])


def test_the_version_depends_on_source_and_libraries():
    assert code_version(clean, "ftfy") == code_version(clean, "ftfy")
    assert len({code_version(clean, "ftfy"), code_version(tag, "ftfy"), code_version(clean, "xxhash")}) == 3


def test_the_version_of_a_package_depends_on_each_of_its_files(tmp_path):
    package = ModuleType("package")
    package.__file__ = str(tmp_path / "__init__.py")
    versions = []
    for name in ("__init__.py", "module.py", "words/es.txt", "words/es.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with (tmp_path / name).open("a") as file:
            file.write("text\n")
        versions.append(code_version(package))
    assert len(set(versions)) == 4


def poems_of(numbers):
    """Raw poems, some dirty, some duplicates, some too long, some in two languages."""
    made = []
    for number in numbers:
        own, other = ("en", "es") if number % 2 else ("es", "en")
        text = made_up_poem(own, 300 if number % 97 == 0 else 4 + number % 9, number)
        if number % 11 == 0:
            text += "\n\n" + made_up_poem(other, 8, number)
        if number % 7 == 0:
            text = text.replace("\n", " &nbsp;<br>\r\n").replace("a", "&aacute;", 1)
        if number % 13 == 0:
            text = text.replace("í", "\N{REPLACEMENT CHARACTER}", 1)
        made.append(raw(text, url=str(number), title=f"Poem {number}", declared_language=own))
        if number % 17 == 0:
            made.append(raw(text.upper(), url=f"{number} again", declared_language=own))
    return made


def stages(folder, records, monkeypatch, address=None):
    """Run clean and tag in `folder` as DVC does, and return every byte that they leave."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    params = changed_params({"clean.long_poems": "cut", "clean.max_words": 200, "engine.address": address})
    Path("params.yaml").write_text(params.model_dump_json(by_alias=True), encoding="utf-8")
    monkeypatch.setattr(clean, "read_raw", lambda: records)
    clean.main()
    tag.main()
    names = ("data/clean/{}.parquet", "data/tagged/{}.parquet")
    tables = [name.format(table) for name in names for table in ("poems", "rejects")]
    return {name: Path(name).read_bytes() for name in [*tables, "metrics/clean.json", "metrics/tag.json"]}


def test_a_refresh_leaves_the_bytes_of_a_full_computation(tmp_path, monkeypatch):
    stages(tmp_path / "refreshed", poems_of(range(60)), monkeypatch)
    later = poems_of(range(100, 120)) + poems_of(range(50))  # some new, some gone, and in another order
    later[-1]["text"] += "\n\nand a line that is new"
    refreshed = stages(tmp_path / "refreshed", later, monkeypatch)
    assert refreshed == stages(tmp_path / "anew", later, monkeypatch)
    assert set(Path("data/reuse").iterdir()) == {
        Path(f"data/reuse/{name}.sqlite") for name in ("cleaned", "sketches", "tagged")
    }


@pytest.mark.slow
def test_one_process_two_and_a_cluster_of_two_leave_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.common.parallel._SMALL", 100)  # from here on processes are worth their start
    records = poems_of(range(700))
    results = []
    for workers in (1, 2):
        monkeypatch.setattr("pipeline.common.parallel.CPU_COUNT", workers)
        results.append(stages(tmp_path / str(workers), records, monkeypatch))
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        results.append(stages(tmp_path / "cluster", records, monkeypatch, cluster.scheduler_address))
    assert results[0] == results[1] == results[2]

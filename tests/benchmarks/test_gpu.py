"""The GPU benchmark needs only torch and transformers, and measures both contenders; here on a CPU with a tiny base."""

import json
import subprocess
import sys

import pytest

from tests.support.made_up import ROOT, made_up_poems

pytestmark = pytest.mark.slow

# All but torch, transformers and what these need themselves (numpy, safetensors, tqdm, filelock …).
MISSING = [
    "accelerate",
    "datasets",
    "dvc",
    "mlflow",
    "pandas",
    "peft",
    "prefect",
    "psutil",
    "pyarrow",
    "pydantic",
    "ruamel",
    "scipy",
    "scrapy",
    "sklearn",
    "trl",
]


def run(words, folder):
    """Run the command in a process that lacks all other packages of ours."""
    blocked = f"import sys, runpy; sys.modules.update(dict.fromkeys({MISSING})); "
    code = blocked + "sys.argv[0] = 'gpu'; runpy.run_module('benchmarks.gpu', run_name='__main__')"
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def small(tiny_bases):
    return [tiny_bases["llama"], "--block-size", 256, "--rows", 2, "--steps", 2, "--baseline-steps", 1]


def test_it_runs_with_torch_and_transformers_alone_on_made_up_poems(small, tmp_path):
    found = run([*small, "--count", 30, "--variants", "sdpa", "--write", "page.md"], tmp_path)
    contenders = [line.split("|")[1].strip() for line in found.splitlines() if line.startswith("|")]
    assert contenders == ["contender", "---", "baseline", "ours, sdpa"]
    assert "30 made-up poems" in found
    assert "Failed" not in found
    assert "python -m benchmarks.gpu" in (tmp_path / "page.md").read_text()


def test_it_measures_the_whole_job_on_poems_from_a_file(small, tmp_path):
    poems = made_up_poems(20)[["text", "language", "title", "author"]]
    (tmp_path / "poems.jsonl").write_text("\n".join(json.dumps(poem) for poem in poems.to_dict("records")))
    found = run([*small, "--poems", "poems.jsonl", "--variants", "sdpa", "--whole-job"], tmp_path)
    assert "40 poems of" in found
    assert "The whole job, sdpa: 3 × 40 poems in" in found

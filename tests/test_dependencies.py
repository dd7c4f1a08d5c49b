"""Imports go down, and the code that dvc.yaml lists for a stage is the code that the stage imports."""

import ast
import re
import subprocess
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.common.params import Params, Scrape
from tests.support.made_up import ROOT

ORDER = (
    *("inputs", "scrape", "clean", "tag", "reports.corpus", "tokenize", "finetune", "evaluate"),
    *("reports.evaluation", "register", "promote"),
)
STAGE_FILES = [f"pipeline/{name.replace('.', '/')}.py" for name in ORDER]
ABOVE_STAGES = ("app", "flows", "ops", "benchmarks")
CODE = ("pipeline", "scrapers")  # folders of code that a stage may depend on

# What a stage imports and dvc.yaml leaves out, since an edit there cannot change what the stage writes.
LEFT_OUT = {
    "pipeline/common/stage.py": "errors, exit status, and outputs that are whole or absent, never what is in them",
    "pipeline/common/params.py": "checks params; the values are under `params` of each stage, where DVC sees them",
}
GENERATION = ("decoder", "loops", "sampling", "sequence")
LEFT_OUT_OF = {
    "finetune": {
        "pipeline/common/identity.py": "git's answers and SHA-256: they name a run and check a download",
        **dict.fromkeys(
            ["pipeline/common/tracking.py", *(f"pipeline/generation/{name}.py" for name in GENERATION)],
            "what these make is logged to MLflow beside the model, which took hours to train and stays as it is",
        ),
    }
}
# What is left out above, but not of these stages.
NEEDED = {"scrape": {"pipeline/common/params.py": "the defaults of a source's keys stand nowhere else"}}
# What a folder in dvc.yaml covers beside the code that the stage imports.
COVERED_TOO = {
    "scrape": {"scrapers/anthology/__main__.py": "serves the anthology by hand"},
    "corpus_report": dict.fromkeys(
        [f"pipeline/cleaning/{name}.py" for name in ("duplicates", "splitting", "workspace")],
        "an edit there makes `clean` run again, and the report after it",
    ),
}


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    return tuple(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def resolve(name: str) -> str | None:
    """The file of a module of ours, or of the module that a dotted name is an attribute of."""
    while name:
        for path in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
            if path in tracked():
                return path
        name = name.rpartition(".")[0]
    return None


class Names(ast.NodeVisitor):
    """The dotted names that a module imports or, as a string, runs or imports later."""

    def __init__(self) -> None:
        self.imported, self.spelt, self.prefixes = set(), set(), set()

    def visit_If(self, node: ast.If) -> None:
        types_only = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in node.orelse if types_only else [*node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.imported |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute"
        self.imported |= {f"{node.module}.{alias.name}" for alias in node.names}

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if isinstance(node.values[0], ast.Constant):
            self.prefixes.add(node.values[0].value)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and re.fullmatch(r"\w+(\.\w+)+", node.value):
            self.spelt.add(node.value)


@cache
def needs(path: str) -> frozenset[str]:
    """The files of ours that one file imports, runs by `python -m`, or reads because they lie beside it."""
    source = (ROOT / path).read_text(encoding="utf-8")
    names = Names()
    names.visit(ast.parse(source))
    found = {resolve(name) for name in names.imported | names.spelt}
    for prefix in names.prefixes:
        if prefix.startswith("pipeline."):
            found |= {name for name in tracked() if name.startswith(prefix.replace(".", "/")) and name.endswith(".py")}
    if "__file__" in source and path.startswith(CODE):
        found |= data_beside(path)
    return frozenset(found - {None, path} - {name for name in found if name and name.endswith("__init__.py")})


def data_beside(path: str) -> set[str]:
    """Files that are no code, in a module's folder or below it with no module nearer to them."""
    homes = {str(Path(name).parent) for name in tracked() if name.endswith(".py")}

    def home(name: str) -> str:
        return next(str(folder) for folder in Path(name).parents if str(folder) in homes)

    folder = str(Path(path).parent)
    return {
        name
        for name in tracked()
        if name.startswith(f"{folder}/") and not name.endswith(".py") and home(name) == folder
    }


def closure(path: str, without: frozenset[str] = frozenset()) -> set[str]:
    """A file and all that it needs, directly or not, but for some files and what only those need."""
    found, waiting = set(), [path]
    while waiting:
        name = waiting.pop()
        if name not in found | without:
            found.add(name)
            if name.endswith(".py"):
                waiting += needs(name)
    return found


def room(path: str) -> str:
    return path.split("/")[1]


def modules(*folders: str) -> list[str]:
    return [name for name in tracked() if name.endswith(".py") and name.startswith(tuple(f"{f}/" for f in folders))]


# Imports


def test_a_room_imports_no_stage_and_a_stage_no_later_one():
    place = {path: number for number, path in enumerate(STAGE_FILES)}
    up = [
        (path, needed)
        for path in modules("pipeline")
        for needed in needs(path)
        if needed in place and place[needed] >= place.get(path, -1)
    ]
    assert up == []


def test_every_module_at_the_top_of_pipeline_is_a_stage():
    top = {path for path in modules("pipeline") if path.count("/") == 1} - {"pipeline/__init__.py"}
    assert top <= set(STAGE_FILES)


def test_nothing_below_imports_the_app_the_flows_the_tools_or_the_benchmarks():
    below = modules("pipeline", "scrapers")
    assert [(path, needed) for path in below for needed in needs(path) if needed.startswith(ABOVE_STAGES)] == []


def test_common_imports_no_other_room_and_rooms_form_no_circle():
    rooms = {room(path): set() for path in modules("pipeline") if path.count("/") > 1}
    for path in modules("pipeline"):
        if path.count("/") > 1 and path not in STAGE_FILES:
            rooms[room(path)] |= {room(needed) for needed in needs(path) if needed.startswith("pipeline/")}
    graph = {name: others - {name} for name, others in rooms.items()}
    assert graph["common"] == set()
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_rooms_hold_no_code_of_their_own_beside_their_modules():
    for path in modules("pipeline"):
        if path.endswith("__init__.py"):
            body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) for node in body), path


# dvc.yaml


STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


def listed(stage: str) -> set[str]:
    """The files that the stage's dependencies on code name or hold."""
    deps = [dep for dep in STAGES[stage].get("deps", []) if dep.startswith(CODE)]
    covered = {dep: {name for name in tracked() if name == dep or name.startswith(f"{dep}/")} for dep in deps}
    assert all(covered.values()), f"{stage}: no file at {[dep for dep, files in covered.items() if not files]}"
    return {name for files in covered.values() for name in files if not name.endswith("__init__.py")}


@pytest.mark.parametrize("stage", [name for name, stage in STAGES.items() if not stage.get("always_changed")])
def test_a_stage_depends_on_the_code_it_imports_and_on_no_other(stage):
    module = re.fullmatch(r"python -m (\S+)", STAGES[stage]["cmd"])[1]
    left_out = (LEFT_OUT.keys() | LEFT_OUT_OF.get(stage, {}).keys()) - NEEDED.get(stage, {}).keys()
    imported = closure(resolve(module), frozenset(left_out))
    covered = listed(stage) - COVERED_TOO.get(stage, {}).keys()
    missing, needless = sorted(imported - covered), sorted(covered - imported)
    assert (missing, needless) == ([], []), f"dvc.yaml: {stage}: add {missing}, remove {needless}"


def test_only_code_that_is_imported_is_left_out():
    for stage, files in LEFT_OUT_OF.items():
        assert files.keys() <= closure(resolve(STAGES[stage]["cmd"].split()[-1])), stage
    for file in LEFT_OUT:
        assert all(file in closure(path) for path in STAGE_FILES), file


def test_dvc_yaml_has_the_stages_in_their_order():
    commands = [stage["cmd"].removeprefix("python -m pipeline.") for stage in STAGES.values()]
    assert commands == [name for name in ORDER if name != "promote"]


def test_params_have_no_default_that_dvc_would_not_see():
    sections = {name: field.annotation for name, field in Params.model_fields.items() if name != "languages"}
    for name, section in sections.items():
        if section is not Scrape and hasattr(section, "model_fields"):
            defaults = {key: field.default for key, field in section.model_fields.items() if not field.is_required()}
            assert all(default is None for default in defaults.values()), name

"""`python -m ops.presets gpu` writes the values of `presets/gpu.yaml` into `params.yaml` and keeps its comments.

The values are in the file itself, so that git shows the change and DVC knows which stages it affects.
"""

import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.common.params import PARAMS_FILE, load_params, parse_params
from pipeline.common.stage import BadInput, stage, whole_file

PRESETS = Path("presets")


def apply_preset(values: dict[str, Any], preset: dict[str, Any]) -> list[str]:
    """Set the preset's keys in `values`, in place; returns the changes, each as `section.key: old → new`."""
    changes = []
    for key, new in preset.items():
        old = values.get(key)
        if isinstance(new, dict):
            changes += [f"{key}.{change}" for change in apply_preset(values[key], new)]
        elif old != new:
            values[key] = new
            changes.append(f"{key}: {old} → {new}")
    return changes


@stage
def main() -> None:
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if len(sys.argv) != 2 or sys.argv[1] not in names:
        raise BadInput("preset", f"{' '.join(sys.argv[1:])!r} is not a preset", f"Choose one of: {', '.join(names)}")
    load_params()  # so that an error in params.yaml is not blamed on the preset
    yaml = YAML()  # the round-trip loader keeps comments and order
    yaml.preserve_quotes, yaml.width = True, 120
    yaml.representer.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))
    values = yaml.load(PARAMS_FILE.read_text(encoding="utf-8"))
    changes = apply_preset(values, YAML(typ="safe").load(PRESETS / f"{sys.argv[1]}.yaml"))
    written = StringIO()
    yaml.dump(values, written)
    parse_params(YAML(typ="safe").load(written.getvalue()), str(PRESETS / f"{sys.argv[1]}.yaml"))
    with whole_file(PARAMS_FILE) as partial:
        partial.write_text(written.getvalue(), encoding="utf-8")
    print("\n".join(changes) or "params.yaml already has these values")


if __name__ == "__main__":
    main()

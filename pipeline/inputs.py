"""The stage *inputs*: check params.yaml, and note what the local files of its sources hold, so that edits are seen.

DVC runs it every time, since only the patterns in params.yaml say which files count. *scrape* depends on the note: it
reads again when a file was edited, added or removed, and only then.
"""

import json
from pathlib import Path

from pipeline.common.identity import sha256_of
from pipeline.common.params import FilesSource, HubSource, Scrape, load_params
from pipeline.common.stage import stage, whole_file

INPUTS = Path("data/inputs.json")  # for each source, the SHA-256 of each of its files
KNOWN = Path("data/reuse/inputs.json")  # digests of earlier runs; not an output, which DVC would remove before each run


def local_files(params: Scrape) -> dict[str, list[Path]]:
    """The files on this machine that sources read, by the source's name.

    Raises:
        BadInput: a source names no file.
    """
    found = {}
    for name, source in params.sources.items():
        if isinstance(source, FilesSource):
            from pipeline.sources.files import find_paths  # costs half a second, which other runs need not wait

            found[name] = [path for path, _ in find_paths(source.path, f"params.yaml: scrape.sources.{name}.path")]
        elif isinstance(source, HubSource) and Path(source.dataset).is_dir():
            found[name] = sorted(path for path in Path(source.dataset).rglob("*") if path.is_file())
    return found


def digests(files: list[Path], known: dict[str, list]) -> dict[str, str]:
    """The SHA-256 of each file, in hex; one whose inode, size and time of change are known is not read again.

    Args:
        files: on this machine.
        known: what earlier runs noted, by path; takes what this run notes.
    """
    found = {}
    for path in files:
        stat = path.stat()
        seen = [stat.st_ino, stat.st_size, stat.st_mtime_ns]
        if known.get(str(path), [])[:-1] != seen:
            known[str(path)] = [*seen, sha256_of(path)]
        found[str(path)] = known[str(path)][-1]
    return found


def write_json(value: dict, path: Path) -> None:
    # Not `write_report`: it lies beside pandas, whose import would triple the time of a run that finds nothing to do.
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@stage
def main() -> None:
    files = local_files(load_params().scrape)
    try:
        known = json.loads(KNOWN.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}
    write_json({name: digests(paths, known) for name, paths in files.items()}, INPUTS)
    write_json(known, KNOWN)
    print(f"params.yaml is valid; its sources name {sum(map(len, files.values()))} local files")


if __name__ == "__main__":
    main()

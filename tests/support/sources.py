"""Files as sources: written for a test, read as the stage reads them, and what is said where they cannot be."""

import gzip
import json

import pytest

from pipeline.common.params import FilesSource
from pipeline.common.stage import BadInput
from pipeline.sources.files import read_files


def read(path, skip=lambda file, reason: None, **values):
    """The raw records of a path, with the other values of a source `mine`."""
    return list(read_files(FilesSource(kind="files", path=str(path), **values), "mine", skip))


def texts(path, **values):
    return [record["text"] for record in read(path, **values)]


def fault(path, **values):
    """The error with which a path is refused."""
    with pytest.raises(BadInput) as caught:
        read(path, **values)
    return caught.value


def write(path, content):
    """Write a file of text or bytes, gzipped where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)

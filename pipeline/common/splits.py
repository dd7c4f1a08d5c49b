"""The split into train, validation and test: which side a poem falls on, and what identifies a split."""

import hashlib
from pathlib import Path

import pandas as pd

from pipeline.common.params import Params, Tokenize

TOKENS = Path("data/tokens")  # tokenize writes the splits here, as tables and as rows of tokens
SPLITS = ("train", "validation", "test")


def split_of(cluster: str, params: Tokenize) -> str:
    """The split that a cluster of similar poems belongs to.

    It depends on a hash of the cluster and the seed alone, so poems added later move none of the earlier ones.
    """
    digest = hashlib.sha256(f"{params.seed}:{cluster}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    if draw < params.test_share:
        return "test"
    return "validation" if draw < params.test_share + params.validation_share else "train"


def split_rule(params: Params) -> str:
    """What decides which poems are test poems. Models trained under one rule have seen none of each other's."""
    rule = params.tokenize
    return f"seed {rule.seed}, share {rule.test_share}, clusters {params.clean.cluster_similarity}"


def split_digest(test: pd.DataFrame) -> str:
    """The SHA-256 of the texts of the test poems, whatever their order, in hex."""
    return hashlib.sha256("\0".join(sorted(test["text"])).encode()).hexdigest()

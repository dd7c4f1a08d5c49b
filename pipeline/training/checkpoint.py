"""The state of a training run on disk, from which a killed run resumes with the same loss curve."""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from pipeline.common.params import Params
from pipeline.common.stage import whole_file
from pipeline.training.distributed import this_process


@dataclass
class Progress:
    """What a resumed run needs besides weights, optimizer and random numbers."""

    step: int = 0
    tokens: int = 0
    best: float = math.inf
    best_step: int = 0
    run_id: str | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)


class Checkpoint:
    """The latest state of a run, to resume from, and its best weights so far.

    Every process must call every method and see the folder; only the main process writes.

    Args:
        folder: for this run alone.
        trained: the parameters that train, by name.
    """

    def __init__(self, folder: Path, trained: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.last, self.best = folder / "last.pt", folder / "best.pt"
        self.trained, self.optimizer = trained, optimizer

    def save_best(self) -> None:
        """Save the current weights as the best so far."""
        _write(self.trained, self.best)

    def load_best(self) -> None:
        """Load the best weights into the model."""
        self._load(torch.load(self.best, map_location="cpu"))

    def save(self, progress: Progress) -> None:
        """Save everything that `resume` needs."""
        state = {
            "trained": self.trained,
            "optimizer": self.optimizer.state_dict(),
            "random": gather_object([_random_state()]),  # each process has its own dropout
            "progress": vars(progress),
        }
        _write(state, self.last)

    def resume(self) -> Progress:
        """Restore the latest state, or start from scratch if there is none."""
        if not self.last.exists():
            return Progress()
        state = torch.load(self.last, map_location="cpu")
        self._load(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        random = state["random"][this_process().process_index]
        torch.set_rng_state(random["cpu"])
        if random["cuda"] is not None:
            torch.cuda.set_rng_state(random["cuda"])
        return Progress(**state["progress"])

    @torch.no_grad()
    def _load(self, trained: dict[str, Tensor]) -> None:
        for name, values in trained.items():
            self.trained[name].copy_(values)


def _write(state: dict[str, Any], path: Path) -> None:
    if this_process().is_main_process:
        with whole_file(path) as partial:
            torch.save(state, partial)


def _random_state() -> dict[str, Tensor | None]:
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None}


def run_key(params: Params, tokens: Path) -> str:
    """Identifies a run: a checkpoint is for these params, rows and validation poems, and this number of processes."""
    digest = hashlib.sha256(params.model_dump_json(include={"languages", "base", "finetune"}).encode())
    digest.update(bytes(this_process().num_processes))
    for file in [*sorted((tokens / "train").glob("*.arrow")), tokens / "validation.parquet"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]

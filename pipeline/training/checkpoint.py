"""Where a training run stands on disk, so that a killed one goes on with the same loss curve."""

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
    """All that a resumed run must know besides the weights."""

    step: int = 0
    tokens: int = 0
    best: float = math.inf
    best_step: int = 0
    run_id: str | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)


class Checkpoint:
    """Where a run stands on disk: the latest state to resume from, and the best weights so far.

    Of several processes each calls every method and the first one writes; all of them must see the folder.

    Args:
        folder: of this run alone.
        trained: the parameters that train, by name.
    """

    def __init__(self, folder: Path, trained: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.last, self.best = folder / "last.pt", folder / "best.pt"
        self.trained, self.optimizer = trained, optimizer

    def save_best(self) -> None:
        """Keep the weights as they are now."""
        _write(self.trained, self.best)

    def load_best(self) -> None:
        """Put the kept weights back."""
        self._put_back(torch.load(self.best, map_location="cpu"))

    def save(self, progress: Progress) -> None:
        """Write down all that `resume` needs."""
        state = {
            "trained": self.trained,
            "optimizer": self.optimizer.state_dict(),
            "random": gather_object([_random_state()]),  # each process drops out by numbers of its own
            "progress": vars(progress),
        }
        _write(state, self.last)

    def resume(self) -> Progress:
        """Restore the latest state, or start anew where there is none."""
        if not self.last.exists():
            return Progress()
        state = torch.load(self.last, map_location="cpu")
        self._put_back(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        random = state["random"][this_process().process_index]
        torch.set_rng_state(random["cpu"])
        if random["cuda"] is not None:
            torch.cuda.set_rng_state(random["cuda"])
        return Progress(**state["progress"])

    @torch.no_grad()
    def _put_back(self, trained: dict[str, Tensor]) -> None:
        for name, values in trained.items():
            self.trained[name].copy_(values)


def _write(state: dict[str, Any], path: Path) -> None:
    if this_process().is_main_process:
        with whole_file(path) as partial:
            torch.save(state, partial)


def _random_state() -> dict[str, Tensor | None]:
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None}


def run_key(params: Params, tokens: Path) -> str:
    """What a checkpoint belongs to: these params on these rows and validation poems, by as many processes."""
    digest = hashlib.sha256(params.model_dump_json(include={"languages", "base", "finetune"}).encode())
    digest.update(bytes(this_process().num_processes))
    for file in [*sorted((tokens / "train").glob("*.arrow")), tokens / "validation.parquet"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]

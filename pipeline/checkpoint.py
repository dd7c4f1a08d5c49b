"""Where a training run stands on disk, so that a killed one goes on with the same loss curve."""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.params import Params
from pipeline.stage import whole_file


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

    Args:
        folder: of this run alone.
        trained: the parameters that train, by name.
    """

    def __init__(self, folder: Path, trained: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.last, self.best = folder / "last.pt", folder / "best.pt"
        self.trained, self.optimizer = trained, optimizer

    def save_best(self) -> None:
        """Keep the weights as they are now."""
        with whole_file(self.best) as partial:
            torch.save(self.trained, partial)

    def load_best(self) -> None:
        """Put the kept weights back."""
        self._put_back(torch.load(self.best, map_location="cpu"))

    def save(self, progress: Progress) -> None:
        """Write down all that `resume` needs."""
        state = {
            "trained": self.trained,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "progress": vars(progress),
        }
        with whole_file(self.last) as partial:
            torch.save(state, partial)

    def resume(self) -> Progress:
        """Restore the latest state, or start anew where there is none."""
        if not self.last.exists():
            return Progress()
        state = torch.load(self.last, map_location="cpu")
        self._put_back(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        return Progress(**state["progress"])

    @torch.no_grad()
    def _put_back(self, trained: dict[str, Tensor]) -> None:
        for name, values in trained.items():
            self.trained[name].copy_(values)


def run_key(params: Params, tokens: Path) -> str:
    """What a checkpoint belongs to: these params on these rows and validation poems, and no others."""
    digest = hashlib.sha256(params.model_dump_json(include={"languages", "base", "finetune"}).encode())
    for file in [*sorted((tokens / "train").glob("*.arrow")), tokens / "validation.parquet"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]

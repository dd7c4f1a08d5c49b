"""The processes that train together: one by default, as many as `accelerate launch` or torchrun started otherwise.

Every process holds the whole model and takes its share of each step's rows; only numbers and gradients pass between
them, and both are added up.
"""

from collections.abc import Iterable
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor, distributed

Items = TypeVar("Items")


def this_process() -> PartialState:
    """Which of the processes this one is, and its device; the first call joins them."""
    return PartialState(cpu=not torch.cuda.is_available())


def share(items: Items) -> Items:
    """The items, of anything that can be sliced, that fall to this process."""
    return items[this_process().process_index :: this_process().num_processes]


def total(number: float) -> float:
    """The sum of a number over all processes; each must call it, and each gets the sum."""
    summed = torch.tensor(number, dtype=torch.float64, device=this_process().device)
    add_up([summed])
    return summed.item()


def add_up(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its sum over all processes; each must call it with tensors of the same shapes."""
    if this_process().num_processes > 1:
        for tensor in tensors:
            distributed.all_reduce(tensor)

"""The processes that train together: one by default, or as many as `accelerate launch` or torchrun started.

Each process holds the whole model and trains on its shard of each step's rows; torch's DistributedDataParallel
exchanges the gradients, a bucket at a time, while the backward pass computes the rest of them.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Items = TypeVar("Items")


def this_process() -> PartialState:
    """Which of the processes this one is, and its device; the first call joins them."""
    return PartialState(cpu=not torch.cuda.is_available())


def shard(items: Items) -> Items:
    """This process's part of the items, which may be anything that can be sliced."""
    return items[this_process().process_index :: this_process().num_processes]


def data_parallel(module: nn.Module) -> nn.Module:
    """The module, with its gradients averaged over all processes by each backward pass, where there are several."""
    if this_process().num_processes == 1:
        return module
    # Layers are compiled one by one, so their gradients come bucket by bucket as it is: no need to split their graphs.
    torch._dynamo.config.optimize_ddp = False
    # Without `device_ids`, which would move the rows to the GPU: where poems begin is found on the CPU.
    return DistributedDataParallel(module, forward_sync_buffers=False, gradient_as_bucket_view=True)


def without_exchange(module: nn.Module) -> AbstractContextManager[None]:
    """A context in which the backward pass adds to this process's own gradients and exchanges none."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def sum_over_processes(*tensors: Tensor) -> None:
    """Replace each tensor by its sum over all processes; every process must pass tensors of the same shapes."""
    if this_process().num_processes > 1:
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)

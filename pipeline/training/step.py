"""One training step: the gradients of some packed rows, however they are cut into batches and dealt to processes."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from pipeline.common.stage import BadInput
from pipeline.modeling.hardware import in_smaller_batches, is_out_of_memory, on_device
from pipeline.modeling.likelihood import packed_loss
from pipeline.training.distributed import sum_over_processes, this_process, without_exchange


class PackedLoss(nn.Module):
    """`packed_loss` as a module, since DistributedDataParallel must see the forward pass that gradients come from.

    Args:
        dtype: bfloat16 for autocast, or float32.
    """

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, rows: dict[str, Tensor]) -> Tensor:
        return packed_loss(self.model, rows, self.dtype)


def train_step(
    loss_module: nn.Module, rows: dict[str, Tensor], batch_size: int, overlap: bool = False
) -> tuple[Tensor, int]:
    """Leave the gradients of one step in the parameters, the same in all processes.

    The loss is the mean over the counted tokens of all rows in all processes, so a step is the same however its rows
    are cut into batches and dealt to processes. No step makes the CPU wait for a GPU.

    Args:
        loss_module: a `PackedLoss`, under `data_parallel` where there are several processes.
        rows: those of this process, on the CPU, `(rows, length)` in each column.
        batch_size: how many of them go through the model at once; halved where memory runs out.
        overlap: exchange gradients while the last batch's backward pass runs. It is faster, but once an exchange has
            begun no process can start over in smaller batches.

    Returns:
        The loss in nats per token, still on the device, and the batch size that fitted.

    Raises:
        BadInput: memory ran out for a single row, or in an exchange.
    """
    overlap = overlap and isinstance(loss_module, DistributedDataParallel)
    scale = this_process().num_processes if overlap else 1  # DistributedDataParallel averages over processes
    trained = [parameter for parameter in loss_module.parameters() if parameter.requires_grad]
    counted = on_device((rows["labels"][:, 1:] != -100).sum(), trained[0].device)
    sum_over_processes(counted)

    def accumulate(batch_size: int) -> Tensor:
        loss_module.zero_grad()
        step_loss = torch.zeros((), device=counted.device)
        batches = list(zip(*(column.split(batch_size) for column in rows.values()), strict=True))
        for number, columns in enumerate(batches, 1):
            exchanges = overlap and number == len(batches)
            with nullcontext() if exchanges else without_exchange(loss_module):
                loss = loss_module(dict(zip(rows, columns, strict=True))) / counted
                if exchanges:
                    exchange_gradients(loss * scale, batch_size)
                else:
                    (loss * scale).backward()
            step_loss += loss.detach()
        return step_loss

    loss, batch_size = in_smaller_batches(accumulate, batch_size)
    sum_over_processes(loss)
    if not overlap:
        sum_over_processes(*(parameter.grad for parameter in trained if parameter.grad is not None))
    return loss, batch_size


def exchange_gradients(loss: Tensor, batch_size: int) -> None:
    """The backward pass in which gradients are exchanged.

    Raises:
        BadInput: memory ran out. The other processes wait for what this one has not computed, so it cannot start over.
    """
    try:
        loss.backward()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        problem = f"a batch of {batch_size} rows that had fitted no longer fits the memory"
        remedy = "Lower it, and raise finetune.gradient_accumulation by as much"
        raise BadInput("params.yaml: finetune.batch_size", problem, remedy) from error

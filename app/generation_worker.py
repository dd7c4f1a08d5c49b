"""The one thread that writes poems: the requests of many readers, in one batch per model."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from app.model_pool import LoadedModel
from app.telemetry import Telemetry
from pipeline.common.params import Generation
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import Progress
from pipeline.generation.sequence import Blend, Poem
from pipeline.modeling.prompt import Request

log = logging.getLogger("estrofa")


class QueueFull(Exception):
    """There is no room for another poem.

    Args:
        queued: poems being written or waiting.
        retry_after: seconds until there should be room.
    """

    def __init__(self, queued: int, retry_after: int) -> None:
        super().__init__(f"{queued} poems are already queued. Try again in {retry_after} seconds.")
        self.retry_after = retry_after


class GenerationJob:
    """A poem being written, as seen by the coroutine that requested it; the worker's thread updates it.

    Args:
        model: the one that writes.
        asked, sampling, seed: as for `Decoder.add`.
    """

    def __init__(self, model: LoadedModel, asked: Request | Blend, sampling: Generation, seed: int) -> None:
        self.model, self.asked, self.sampling, self.seed = model, asked, sampling, seed
        self.text = ""
        self.poem: Poem | None = None
        self.error: Exception | None = None
        self.cancelled = False
        self.created_at = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._updated = asyncio.Event()

    @property
    def done(self) -> bool:
        return self.poem is not None or self.error is not None

    async def wait_for_update(self, timeout: float) -> None:
        """Wait until there is more text or the job is done, for at most `timeout` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._updated.wait(), timeout)
        self._updated.clear()

    def notify(self) -> None:
        """Wake the coroutine that waits for an update; called from the worker's thread."""
        with suppress(RuntimeError):  # the event loop is closed: the server has stopped
            self._loop.call_soon_threadsafe(self._updated.set)


class GenerationWorker:
    """Writes all jobs, one token of each at a time.

    Args:
        queue_size: the most jobs accepted at once, written or waiting for room in their model's batch.
    """

    def __init__(self, queue_size: int, telemetry: Telemetry) -> None:
        self.queue_size, self.telemetry = queue_size, telemetry
        self._new: list[GenerationJob] = []
        self._jobs: dict[LoadedModel, dict[int, GenerationJob]] = {}  # by model and sequence id
        self._wake = threading.Condition()
        self._stopped = False
        self._average_seconds = 5.0  # per poem; a moving average
        self._thread = threading.Thread(target=self._run, name="generation-worker", daemon=True)
        self.start, self.is_alive = self._thread.start, self._thread.is_alive
        telemetry.queued.set_function(self._queued)

    def stop(self) -> None:
        """End the thread after its current step."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()

    def submit(self, jobs: Sequence[GenerationJob]) -> None:
        """Queue jobs, all or none.

        Raises:
            QueueFull: there is no room for all of them.
        """
        with self._wake:
            queued = self._queued()
            if queued + len(jobs) > self.queue_size:
                self.telemetry.poems.labels("queue_full").inc(len(jobs))
                raise QueueFull(queued, max(1, math.ceil(self._average_seconds * queued / self.queue_size)))
            self._new.extend(jobs)
            self._wake.notify()

    def cancel(self, job: GenerationJob) -> None:
        """Stop writing a job that nobody reads any more; does nothing if it is done."""
        with self._wake:
            if not job.done:
                job.cancelled = True
            self._wake.notify()

    def _queued(self) -> int:
        return len(self._new) + sum(len(jobs) for jobs in list(self._jobs.values()))

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopped or self._new or self._jobs)
                if self._stopped:
                    return
                new, self._new = self._new, []
                for job in new:
                    self._add(job)
            for model in list(self._jobs):
                self._step(model)

    def _add(self, job: GenerationJob) -> None:
        try:
            sequence_id = job.model.decoder.add(job.asked, job.sampling, job.seed)
        except BadInput as error:
            self._fail(job, "bad_input", error)
        else:
            self._jobs.setdefault(job.model, {})[sequence_id] = job

    def _step(self, model: LoadedModel) -> None:
        """Write one more token of each of a model's poems."""
        jobs = self._jobs[model]
        for sequence_id, job in list(jobs.items()):
            if job.cancelled:
                model.decoder.cancel(sequence_id)
                del jobs[sequence_id]
                self.telemetry.poems.labels("cancelled").inc()
        if not jobs:
            del self._jobs[model]
            return
        try:
            steps = model.decoder.step()
        except Exception as error:  # anything a model can raise, such as out of memory; the thread must survive it
            log.exception("%s version %s failed while writing", model.name, model.version)
            model.reset()
            for job in self._jobs.pop(model).values():
                self._fail(job, "failed", error)
            return
        self.telemetry.tokens.labels(model.version).inc(len(steps))
        for progress in steps:
            self._update(jobs[progress.sequence_id], progress)
            if progress.done:
                del jobs[progress.sequence_id]

    def _update(self, job: GenerationJob, progress: Progress) -> None:
        if not job.text:
            self.telemetry.first_word.observe(time.monotonic() - job.created_at)
        job.text = progress.text
        if progress.done:
            job.poem = progress.poem
            seconds = time.monotonic() - job.created_at
            self._average_seconds += (seconds - self._average_seconds) / 10
            self.telemetry.whole_poem.observe(seconds)
            self.telemetry.poems.labels("written").inc()
        job.notify()

    def _fail(self, job: GenerationJob, outcome: str, error: Exception) -> None:
        job.error = error
        self.telemetry.poems.labels(outcome).inc()
        job.notify()

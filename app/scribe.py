"""The one thread that writes: poems of many readers, batched in one decoder a model, joining and leaving as they go."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from app.meters import Meters
from app.shelf import Poet
from pipeline.common.params import Generation
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import Progress
from pipeline.generation.sequence import Fusion, Poem
from pipeline.modeling.prompt import Request

log = logging.getLogger("estrofa")


class Busy(Exception):
    """The queue is full.

    Args:
        retry_after: seconds after which there should be a place.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many poems are being written. Try again in {retry_after} s.")
        self.retry_after = retry_after


class Writing:
    """A poem on its way, as the coroutine that asked for it sees it; the scribe's thread changes it."""

    def __init__(self, poet: Poet, asked: Request | Fusion, sampling: Generation, seed: int) -> None:
        self.poet, self.asked, self.sampling, self.seed = poet, asked, sampling, seed
        self.text = ""
        self.poem: Poem | None = None
        self.fault: Exception | None = None
        self.cancelled = False
        self.asked_at = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    @property
    def done(self) -> bool:
        return self.poem is not None or self.fault is not None

    async def changed(self, seconds: float) -> None:
        """Wait until there is more of it, or until the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    def tell(self) -> None:
        """Wake who waits for it."""
        with suppress(RuntimeError):  # the server has stopped and nobody waits any more
            self._loop.call_soon_threadsafe(self._changed.set)


class Scribe:
    """Takes writings, and writes them all, a token of each at a time.

    Args:
        queue_size: poems taken at most, being written or waiting for a place in their model's batch.
    """

    def __init__(self, queue_size: int, meters: Meters) -> None:
        self.queue_size, self.meters = queue_size, meters
        self._arrived: list[Writing] = []
        self._open: dict[Poet, dict[int, Writing]] = {}  # by model and ticket
        self._changed = threading.Condition()
        self._stopped = False
        self._usual_seconds = 5.0  # that a poem takes; an average that forgets
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        self.start, self.alive = self._thread.start, self._thread.is_alive
        meters.taken.set_function(self._taken)

    def stop(self) -> None:
        """End the thread after the token it is at."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def submit(self, writings: Sequence[Writing]) -> None:
        """Queue writings, all or none.

        Raises:
            Busy: there is no room for them.
        """
        with self._changed:
            taken = self._taken()
            if taken + len(writings) > self.queue_size:
                self.meters.poems.labels("refused").inc(len(writings))
                raise Busy(max(1, math.ceil(self._usual_seconds * taken / self.queue_size)))
            self._arrived.extend(writings)
            self._changed.notify()

    def cancel(self, writing: Writing) -> None:
        """Write no further, since nobody reads it; a finished writing is left as it is."""
        with self._changed:
            if not writing.done:
                writing.cancelled = True
            self._changed.notify()

    def _taken(self) -> int:
        return len(self._arrived) + sum(len(writings) for writings in list(self._open.values()))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._arrived or self._open)
                if self._stopped:
                    return
                arrived, self._arrived = self._arrived, []
                for writing in arrived:
                    self._join(writing)
            for poet in list(self._open):
                self._step(poet)

    def _join(self, writing: Writing) -> None:
        try:
            ticket = writing.poet.decoder.add(writing.asked, writing.sampling, writing.seed)
        except BadInput as error:
            self._close(writing, "bad input", error)
        else:
            self._open.setdefault(writing.poet, {})[ticket] = writing

    def _step(self, poet: Poet) -> None:
        """One more token for each poem of a model."""
        writings = self._open[poet]
        for ticket, writing in list(writings.items()):
            if writing.cancelled:
                poet.decoder.drop(ticket)
                del writings[ticket]
                self.meters.poems.labels("cancelled").inc()
        if not writings:
            del self._open[poet]
            return
        try:
            steps = poet.decoder.step()
        except Exception as error:  # whatever a model can die of, such as memory; the thread must outlive it
            log.exception("%s version %s failed while writing", poet.name, poet.version)
            poet.start_afresh()
            for writing in self._open.pop(poet).values():
                self._close(writing, "failed", error)
            return
        self.meters.tokens.labels(poet.version).inc(len(steps))
        for progress in steps:
            self._advance(writings[progress.ticket], progress)
            if progress.done:
                del writings[progress.ticket]

    def _advance(self, writing: Writing, progress: Progress) -> None:
        if not writing.text:
            self.meters.first_word.observe(time.monotonic() - writing.asked_at)
        writing.text = progress.text
        if progress.done:
            writing.poem = progress.poem
            seconds = time.monotonic() - writing.asked_at
            self._usual_seconds += (seconds - self._usual_seconds) / 10
            self.meters.whole_poem.observe(seconds)
            self.meters.poems.labels("written").inc()
        writing.tell()

    def _close(self, writing: Writing, outcome: str, error: Exception) -> None:
        writing.fault = error
        self.meters.poems.labels(outcome).inc()
        writing.tell()

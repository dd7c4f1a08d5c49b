"""What Prometheus reads at /metrics. Each server has a registry of its own, so that several can run in one process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


class Meters:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kept = {"registry": self.registry}
        self.poems = Counter("estrofa_poems", "Poems by how they ended", ["outcome"], **kept)
        self.tokens = Counter("estrofa_tokens", "Tokens written", ["version"], **kept)
        self.taken = Gauge("estrofa_poems_taken", "Poems being written or waiting for their turn", **kept)
        self.first_word = Histogram("estrofa_first_word_seconds", "Until the first new word", buckets=SECONDS, **kept)
        self.whole_poem = Histogram("estrofa_poem_seconds", "Until the poem's end", buckets=SECONDS, **kept)
        self.serving = Gauge("estrofa_serving", "1 for the version in a role", ["role", "name", "version"], **kept)
        self.load_failures = Counter("estrofa_load_failures", "Models that did not load", ["role"], **kept)
        self.outdated = Gauge("estrofa_outdated", "1 while a role's newer model does not load", ["role"], **kept)
        self.votes = Counter("estrofa_votes", "Votes taken in blind comparisons", **kept)

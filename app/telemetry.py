"""What Prometheus reads at /metrics. Each server has its own registry, so that several can run in one process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


class Telemetry:
    """The Prometheus metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ours = {"registry": self.registry}
        self.poems = Counter(
            "estrofa_poems", "Poems by outcome: written, cancelled, failed, bad_input, queue_full", ["outcome"], **ours
        )
        self.tokens = Counter("estrofa_tokens", "Tokens written", ["version"], **ours)
        self.queued = Gauge("estrofa_poems_queued", "Poems being written or waiting", **ours)
        self.first_word = Histogram("estrofa_first_word_seconds", "Time to the first new word", buckets=SECONDS, **ours)
        self.whole_poem = Histogram("estrofa_poem_seconds", "Time to the end of the poem", buckets=SECONDS, **ours)
        self.serving = Gauge("estrofa_serving", "1 for the version in a role", ["role", "name", "version"], **ours)
        self.load_failures = Counter("estrofa_load_failures", "Models that failed to load", ["role"], **ours)
        self.outdated = Gauge("estrofa_outdated", "1 while a role has no model, or not its newest", ["role"], **ours)
        self.votes = Counter("estrofa_votes", "Votes counted in blind comparisons", **ours)

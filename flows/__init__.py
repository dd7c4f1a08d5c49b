"""The Prefect flows. Importing the package turns off Prefect's telemetry, before Prefect itself is imported."""

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

"""The Prefect flows: run the DAG, refresh on a schedule, promote.

Importing the package turns off Prefect's telemetry, which must happen before Prefect is imported.
"""

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

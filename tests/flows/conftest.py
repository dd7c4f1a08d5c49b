"""One Prefect server for all tests of flows."""

import pytest
from prefect.testing.utilities import prefect_test_harness


@pytest.fixture(scope="package")
def prefect_server():
    """A Prefect server of its own database, which flows and clients in this process talk to."""
    with prefect_test_harness(server_startup_timeout=600):
        yield

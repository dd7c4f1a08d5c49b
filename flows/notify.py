"""Messages to people: a webhook, such as a chat's, that hears of failures and of new challengers.

Its address stands in the environment as `ESTROFA_WEBHOOK`; where it is not set nothing is sent.
"""

import os
from typing import Any

import requests
from prefect import get_run_logger

SECONDS = 10


def tell(text: str) -> None:
    """Post a message as JSON, `{"text": …}`. A webhook that is away is logged and stops nothing."""
    address = os.environ.get("ESTROFA_WEBHOOK")
    if address:
        try:
            requests.post(address, json={"text": text}, timeout=SECONDS).raise_for_status()
        except requests.RequestException as error:
            # The address may hold a secret.
            get_run_logger().warning(f"ESTROFA_WEBHOOK did not take the message ({type(error).__name__}): {text}")


def tell_of_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Prefect's hook on failed and crashed flows."""
    tell(f"Flow {flow.name} ({flow_run.name}) ended as {state.name}: {state.message}")

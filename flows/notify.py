"""Notifications to a webhook, such as a chat's: failed flows, new challengers, decisions.

Its address is the environment variable `ESTROFA_WEBHOOK`. Without one, nothing is sent.
"""

import os
from typing import Any

import requests
from prefect import get_run_logger

TIMEOUT_SECONDS = 10


def notify(text: str) -> None:
    """Post a message as JSON, `{"text": …}`. A webhook that does not answer is logged and stops nothing."""
    address = os.environ.get("ESTROFA_WEBHOOK")
    if address:
        try:
            requests.post(address, json={"text": text}, timeout=TIMEOUT_SECONDS).raise_for_status()
        except requests.RequestException as error:
            # Neither the address nor the error, which quotes it, is logged: webhooks carry their secret in the address.
            get_run_logger().warning(f"ESTROFA_WEBHOOK did not take the message ({type(error).__name__}): {text}")


def notify_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Prefect's hook for failed and crashed flows."""
    notify(f"Flow {flow.name} ({flow_run.name}) ended as {state.name}: {state.message}")

"""The flow *refresh*: crawl the sources again, run the stages that new poems affect, compare with the champion."""

from pathlib import Path

from prefect import flow, get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

from flows.notify import notify_failure
from flows.promote import promote
from flows.run import registered, run
from ops.commands import ROOT


@flow(name="refresh", log_prints=True, on_failure=[notify_failure], on_crashed=[notify_failure])
def refresh(
    root: Path = ROOT, promotion: bool = True, lock_branch: str | None = None, scrape_retry_delay: float = 10
) -> str:
    """Crawl the sources again, run what that changes, and promote the new version if it is good enough.

    Args:
        promotion: whether to compare a new version with the champion and promote it if it passes every gate.
        root, lock_branch, scrape_retry_delay: as in `run`.

    Returns:
        What was done, in words.
    """
    if superseded():
        get_run_logger().info("A later run covered this missed one; nothing to do")
        return "superseded"
    before = registered(root)
    run(root=root, again=["scrape"], lock_branch=lock_branch, scrape_retry_delay=scrape_retry_delay)
    if registered(root) == before:
        return "nothing new"
    if not promotion:
        return f"version {registered(root)} awaits a decision"
    return f"version {registered(root)} was {'promoted' if promote(root=root) else 'refused'}"


def superseded() -> bool:
    """Whether another run of this deployment, in this repository, began after this one was due.

    After a downtime, several scheduled runs start at once; one of them is enough.
    """
    deployment, due = runtime.deployment.id, runtime.flow_run.scheduled_start_time
    if deployment is None:
        return False
    began = [StateType.RUNNING, StateType.COMPLETED]
    with get_client(sync_client=True) as client:
        others = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
                start_time=FlowRunFilterStartTime(after_=due),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=began)),
            )
        )
        own = client.read_flow_run(runtime.flow_run.id)
    # Of runs that begin at the same time, the first one does the work.
    return any(
        (other.start_time, other.id) < (own.start_time, own.id)
        for other in others
        if other.parameters.get("root") == own.parameters.get("root")
    )


if __name__ == "__main__":
    refresh()

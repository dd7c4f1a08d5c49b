"""The flow *refresh*: ask the sources again, run what that changes, measure a new version against the champion."""

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

from flows.notify import tell_of_failure
from flows.promote import promote
from flows.run import ROOT, registered, run


@flow(name="refresh", log_prints=True, on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def refresh(
    root: Path = ROOT, promotion: bool = True, lock_branch: str | None = None, scrape_retry_delay: float = 10
) -> str:
    """Re-scrape, run the stages that the poems found concern, and promote the version that comes of it if it is good.

    Args:
        promotion: whether to measure a new version against the champion, and to promote it where every gate holds.
        lock_branch, scrape_retry_delay: as in `run`.

    Returns:
        What was done, in words.
    """
    if made_up_for():
        get_run_logger().info("This start was missed, and a later one made up for it; nothing to do")
        return "made up for"
    before = registered(root)
    run(root=root, again=["scrape"], lock_branch=lock_branch, scrape_retry_delay=scrape_retry_delay)
    if registered(root) == before:
        return "nothing new"
    if not promotion:
        return f"version {registered(root)} waits"
    return f"version {registered(root)} is {'the champion' if promote(root=root) else 'refused'}"


def made_up_for() -> bool:
    """Whether another run of this deployment, in this repository, began after this one should have.

    A missed schedule so runs once.
    """
    deployment, planned = runtime.deployment.id, runtime.flow_run.scheduled_start_time
    if deployment is None:
        return False
    began = [StateType.RUNNING, StateType.COMPLETED]
    with get_client(sync_client=True) as client:
        others = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
                start_time=FlowRunFilterStartTime(after_=planned),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=began)),
            )
        )
        own = client.read_flow_run(runtime.flow_run.id)
    # Of runs that begin at once, the first one works.
    return any(
        (other.start_time, other.id) < (own.start_time, own.id)
        for other in others
        if other.parameters.get("root") == own.parameters.get("root")
    )


if __name__ == "__main__":
    refresh()

"""The flow *run*: each stage of `dvc.yaml` as a Prefect task. `python -m flows.run` runs it.

The order and the commands stay in `dvc.yaml`; this module only reads them. Each task is `dvc repro` of a single stage.
So a stage that is up to date is skipped, and a run after a killed one resumes where that one stopped.
"""

from graphlib import TopologicalSorter
from pathlib import Path

from dvc.repo import Repo
from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.states import State
from prefect.tasks import exponential_backoff

from flows.command import run_command
from flows.notify import notify, notify_failure
from flows.repository import commit_lock, one_writer, origin
from ops.commands import ROOT, dvc
from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report
from pipeline.common.tracking import RUN_FILE, artifact_page
from pipeline.reports.summary import metrics_table

HOURS = {"scrape": 24.0, "finetune": 168.0}  # that a stage may take
OTHER_HOURS = 12.0


def stages(root: Path = ROOT) -> dict[str, list[str]]:
    """The stages of `dvc.yaml` in an order that can run, each with the stages it needs.

    Raises:
        BadInput: `dvc.yaml` cannot be read, or its stages form a cycle.
    """
    try:
        with Repo(str(root)) as repo:
            graph = repo.index.graph  # from a stage to the stages it needs
            needs = {stage.name: [needed.name for needed in graph.successors(stage)] for stage in graph}
        return {name: needs[name] for name in TopologicalSorter(needs).static_order()}
    except Exception as error:  # DVC has no common base for what a faulty file raises
        raise BadInput(str(root / "dvc.yaml"), str(error), "Correct it until `dvc dag` shows the stages") from error


@task
def reproduce(stage: str, root: Path, force: bool, hours: float) -> None:
    """Run one stage through DVC, with its output in the flow's log.

    Raises:
        RuntimeError: the stage failed or took longer than `hours`; the message quotes its last lines.
    """
    forced = ["--force"] if force else []
    run_command(f"stage {stage}", dvc("repro", "--single-item", stage, *forced), root, hours)


@flow(name="run", log_prints=True, on_failure=[notify_failure], on_crashed=[notify_failure])
def run(
    root: Path = ROOT,
    force: bool = False,
    again: list[str] | None = None,
    lock_branch: str | None = None,
    hours: dict[str, float] | None = None,
    scrape_retry_delay: float = 10,
) -> dict[str, list[str]]:
    """Run every stage that is not up to date.

    Args:
        root: the repository; if another run is writing to it, this one waits.
        force: run every stage, even if nothing changed.
        again: stages to run even if nothing changed.
        lock_branch: the git branch to commit dvc.lock, metrics and plots to; by default they stay uncommitted.
        hours: time limits by stage, over those of `HOURS`.
        scrape_retry_delay: seconds before the first of three retries of `scrape`, the only stage that uses the network;
            each further delay is twice as long.

    Returns:
        The stages in the order they ran, each with the stages it needs.
    """
    order, limits = stages(root), HOURS | (hours or {})
    with one_writer(root):
        challenger = registered(root)
        progress = create_progress_artifact(0.0, key="stages", description="Stages done")
        ended: dict[str, State[None]] = {}
        for number, (stage, needed) in enumerate(order.items(), start=1):
            retries = {"retries": 3, "retry_delay_seconds": exponential_backoff(scrape_retry_delay)}
            named = reproduce.with_options(name=stage, **(retries if stage == "scrape" else {}))
            ended[stage] = named(
                stage,
                root,
                force or stage in (again or ()),
                limits.get(stage, OTHER_HOURS),
                wait_for=[ended[name] for name in needed],
                return_state=True,
            )
            ended[stage].result()  # raises if the stage failed
            update_progress_artifact(progress, round(100 * number / len(order), 1), description=f"{stage} is done")
        publish(root)
        if lock_branch is not None:
            get_run_logger().info(commit_lock(root, lock_branch))
    if registered(root) != challenger:
        notify(f"Version {registered(root)} is the new challenger.")
    return order


def registered(root: Path) -> int | None:
    """The version that `register` made last, or None."""
    report = root / "metrics" / "register.json"
    return read_report(report)["version"] if report.exists() else None


def publish(root: Path) -> None:
    """Show the run's origin, metrics, samples and report as Prefect artifacts."""
    create_table_artifact(key="origin", table=[origin(root)], description="The commit, params and data of this run")
    if (root / "metrics" / "evaluate.json").exists():
        create_table_artifact(key="metrics", table=metrics_table(root), description="The models and human poems")
    samples = root / "data" / "evaluation" / "samples.md"
    if samples.exists():
        create_markdown_artifact(key="samples", markdown=samples.read_text(encoding="utf-8"))
    page = root / "data" / "reports" / "evaluation.html"
    run_file = root / RUN_FILE
    if page.exists() and run_file.exists():
        address = artifact_page(read_report(run_file)["run_id"], f"reports/{page.name}")
        link = {"link": address or page.as_uri(), "link_text": "Is the tuned model better?"}
        create_link_artifact(
            key="evaluation-report", **link, description=f"Served by `make mlflow`; the file is `{page}`"
        )


if __name__ == "__main__":
    run()

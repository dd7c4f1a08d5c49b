"""The flow *run*: the stages of `dvc.yaml`, one Prefect task each. `python -m flows.run` runs it.

The order and the commands stay in `dvc.yaml`; this module only reads them. Each task is `dvc repro` of a single
stage, so what is up to date is skipped, and a run after `dvc repro` does nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

import networkx
from dvc.repo import Repo
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.states import State
from prefect.tasks import exponential_backoff

from pipeline.poems import read_report
from pipeline.stage import BadInput
from pipeline.summary import figures_table
from pipeline.tracking import RUN_FILE, artifact_page

ROOT = Path(__file__).resolve().parent.parent


def stages(root: Path = ROOT) -> dict[str, list[str]]:
    """The stages of `dvc.yaml` in an order that can run, each with the stages it needs.

    Raises:
        BadInput: `dvc.yaml` cannot be read, or its stages form a circle.
    """
    try:
        with Repo(str(root)) as repo:
            graph = repo.index.graph  # from a stage to the stages it needs
            return {
                stage.name: [needed.name for needed in graph.successors(stage)]
                for stage in networkx.dfs_postorder_nodes(graph)
            }
    except Exception as error:  # DVC has no common base for what a faulty file raises
        raise BadInput(str(root / "dvc.yaml"), str(error), "Correct it until `dvc dag` shows the stages") from error


@task
def reproduce(stage: str, root: Path, force: bool) -> None:
    """Run one stage through DVC, line by line into the flow's log.

    Raises:
        RuntimeError: the stage failed; the message holds its last lines.
    """
    logger = get_run_logger()
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage, *(["--force"] if force else [])]
    # `python` in dvc.yaml has to be this one; slow bars because each redraw becomes a line of the log.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1", "TQDM_MININTERVAL": "10"}
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in process.stdout:
                if line.strip():
                    logger.info(line.rstrip())
                    said = [*said[-7:], line.strip()]
        except BaseException:
            process.terminate()  # a cancelled flow must not leave a stage writing
            raise
    if process.returncode:
        raise RuntimeError(f"stage {stage} failed with status {process.returncode}: " + " | ".join(said))


@flow(name="run", log_prints=True)
def run(root: Path = ROOT, force: bool = False, scrape_retry_delay: float = 10) -> dict[str, list[str]]:
    """Run every stage that is not up to date.

    Args:
        root: the repository.
        force: run the stages even where nothing changed.
        scrape_retry_delay: seconds before the first of the three retries of `scrape`, the one stage that uses the
            network; each next wait is twice as long.

    Returns:
        The stages in the order they ran, each with the stages it needs.
    """
    order = stages(root)
    ended: dict[str, State[None]] = {}
    for stage, needed in order.items():
        retries = {"retries": 3, "retry_delay_seconds": exponential_backoff(scrape_retry_delay)}
        named = reproduce.with_options(name=stage, **(retries if stage == "scrape" else {}))
        # One at a time: DVC lets a single writer into the repository.
        ended[stage] = named(stage, root, force, wait_for=[ended[name] for name in needed], return_state=True)
        ended[stage].result()  # raises where the stage failed
    publish(root)
    return order


def publish(root: Path) -> None:
    """Show the figures and the samples of the run as Prefect artifacts."""
    if (root / "metrics" / "evaluate.json").exists():
        create_table_artifact(key="figures", table=figures_table(root), description="Base and tuned model")
    samples = root / "data" / "evaluation" / "samples.md"
    if samples.exists():
        create_markdown_artifact(key="samples", markdown=samples.read_text(encoding="utf-8"))
    page = root / "data" / "reports" / "evaluation.html"
    run_file = root / RUN_FILE
    if page.exists() and run_file.exists():
        address = artifact_page(read_report(run_file)["run_id"], f"reports/{page.name}")
        link = {"link": address or page.as_uri(), "link_text": "Is the tuned model better?"}
        create_link_artifact(
            key="evaluation-report", **link, description=f"`make mlflow` serves it; here it is `{page}`"
        )


if __name__ == "__main__":
    run()

"""A place for data and models that others reach: `python -m ops.remote URL` makes it DVC's default remote and fills it.

A folder (`/mnt/share/dvc`, `../dvc-remote`) or anything DVC takes, such as `s3://bucket/path`. For an S3 that is not
Amazon's, its address is `AWS_ENDPOINT_URL`; the keys stay in the environment (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`) and are written nowhere.
"""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.common.stage import BadInput, stage

NAME = "shared"


def set_remote(root: Path, url: str, endpoint: str | None = None) -> None:
    """Write the remote to `.dvc/config` and push what the cache holds of `dvc.lock`.

    Raises:
        BadInput: the address is none, or the remote cannot be written to; the remote set before is set again.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        remedy = "Leave them out; DVC reads them from the environment"
        raise BadInput("remote", "the address holds credentials, which would be committed", remedy)
    if "://" not in url:
        url = str(Path(url).expanduser().resolve())
    config = root / ".dvc" / "config"
    before = config.read_text(encoding="utf-8")
    commands = [["remote", "add", "--force", "--default", NAME, url]]
    if endpoint:
        commands.append(["remote", "modify", NAME, "endpointurl", endpoint])
    for command in (*commands, ["push"]):
        ended = subprocess.run([sys.executable, "-m", "dvc", *command], cwd=root, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            config.write_text(before, encoding="utf-8")
            problem = ended.stderr.strip().removeprefix("ERROR: ") or "DVC refuses it"
            raise BadInput(f"remote {url}", problem, "Correct the address, the keys or the permissions and run again")


@stage
def main() -> None:
    if len(sys.argv) != 2:
        raise BadInput("remote", "no address", "Name one: make remote URL=s3://bucket/path, or a folder")
    set_remote(Path(), sys.argv[1], os.environ.get("AWS_ENDPOINT_URL"))
    print("Commit .dvc/config; others then run `dvc pull`, and whoever made something runs `dvc push`.")


if __name__ == "__main__":
    main()

"""Share data and models: `python -m ops.remote URL` sets DVC's default remote and pushes to it.

`URL` is a folder (`/mnt/share/dvc`, `../dvc-remote`) or anything DVC takes, such as `s3://bucket/path`. Set
`AWS_ENDPOINT_URL` for an S3 that is not Amazon's. The keys stay in the environment (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`) and are never written to a file.
"""

import os
import sys
from pathlib import Path

from ops.commands import dvc, run
from pipeline.common.stage import BadInput, stage

NAME = "shared"


def set_remote(root: Path, url: str, endpoint: str | None = None) -> None:
    """Write the remote to `.dvc/config` and push everything in `dvc.lock` that is in the cache.

    Raises:
        BadInput: the address holds credentials or is not valid, or the push fails; `.dvc/config` is then as before.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        remedy = "Leave them out; DVC reads keys from the environment"
        raise BadInput("remote", "the address holds credentials, which would be committed", remedy)
    if "://" not in url:
        url = str(Path(url).expanduser().resolve())
    config = root / ".dvc" / "config"
    before = config.read_text(encoding="utf-8")
    commands = [["remote", "add", "--force", "--default", NAME, url]]
    if endpoint:
        commands.append(["remote", "modify", NAME, "endpointurl", endpoint])
    remedy = "Check the address, the keys and the permissions, then run again"
    try:
        for command in (*commands, ["push"]):
            run(f"remote {url}", remedy, root, *dvc(*command))
    except BadInput:
        config.write_text(before, encoding="utf-8")
        raise


@stage
def main() -> None:
    if len(sys.argv) != 2:
        raise BadInput("remote", "no address given", "Use: make remote URL=s3://bucket/path, or a folder")
    set_remote(Path(), sys.argv[1], os.environ.get("AWS_ENDPOINT_URL"))
    print("Commit .dvc/config. Others can then `dvc pull`; after a run of your own, `dvc push`.")


if __name__ == "__main__":
    main()

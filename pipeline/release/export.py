"""Export a tuned model: a folder in the layout of the Hugging Face hub, with a GGUF file in it if you want one."""

import os
import shutil
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from pipeline.common.stage import BadInput, whole_folder
from pipeline.release.gguf import write_gguf

CARD = "README.md"
NEEDED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", CARD)
GGUF = "poet.gguf"


def export_folder(model: Path, folder: Path, metrics: str | None = None, gguf: bool = False) -> None:
    """Copy a model into a new folder that anyone can load, with its card and licence files.

    Args:
        model: a folder written by `finetune`: safetensors, tokenizer, generation config, card, licence files.
        metrics: a table in Markdown to add to the card.
        gguf: whether to add the weights as a GGUF file.

    Raises:
        BadInput: the model lacks a part, the folder is not empty, or the model cannot be written as GGUF.
    """
    missing = [name for name in NEEDED if not (model / name).is_file()]
    if missing or not list(model.glob("*.safetensors")):
        problem = f"it has no {', '.join(missing) or 'safetensors'}"
        raise BadInput(str(model), problem, "Name a folder that `finetune` wrote, or a version of the registry")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise BadInput(str(folder), "it is not empty", "Name a new folder; nothing was overwritten")
    with whole_folder(folder) as partial:
        shutil.copytree(model, partial, dirs_exist_ok=True)
        card = ModelCard.load(partial / CARD)
        if metrics:
            card.text = f"{card.text.rstrip()}\n\n## What was measured\n\n{metrics.strip()}\n"
            card.save(partial / CARD)
        if gguf:
            write_gguf(model, partial / GGUF, str(card.data.license))


def push(folder: Path, repository: str) -> str:
    """Upload an exported folder to a repository of the hub, which is private until its owner makes it public.

    Args:
        repository: `OWNER/NAME` on the hub, created if it does not exist. `HF_TOKEN` must be a token that may write.

    Returns:
        The address of the repository.

    Raises:
        BadInput: there is no token, or the hub cannot be reached or refuses the upload.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        remedy = "Set it to a token that may write, then push again; the folder is complete"
        raise BadInput("HF_TOKEN", f"not set, so {folder} was not uploaded", remedy)
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    try:
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(
            repo_id=repository, folder_path=folder, commit_message="Upload a poetry model tuned by Estrofa"
        )
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx2.HTTPError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = f"Check the name and the token, then push again; the folder {folder} is complete"
        raise BadInput(f"--push {repository}", f"the hub refused it ({reason})", remedy) from error
    return str(address)

"""A tuned model made ready to leave: a folder as the Hugging Face hub wants it, and, if wanted, a GGUF file in it."""

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


def export_folder(model: Path, folder: Path, figures: str | None = None, gguf: bool = False) -> None:
    """Copy a model into a new folder that anyone can load, with all that must travel with it.

    Args:
        model: a folder as `finetune` leaves it: safetensors, tokenizer, generation config, card, licence files.
        figures: what was measured, in Markdown, for the card.
        gguf: whether to add the weights as a GGUF file.

    Raises:
        BadInput: the model lacks a part, the folder has something in it already, or GGUF cannot hold the model.
    """
    missing = [name for name in NEEDED if not (model / name).is_file()]
    if missing or not list(model.glob("*.safetensors")):
        problem = f"it has no {', '.join(missing) or 'safetensors'}"
        raise BadInput(str(model), problem, "Name a folder that `finetune` wrote, or a version of the registry")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise BadInput(str(folder), "there is something in it", "Name a new folder; nothing was overwritten")
    with whole_folder(folder) as partial:
        shutil.copytree(model, partial, dirs_exist_ok=True)
        card = ModelCard.load(partial / CARD)
        if figures:
            card.text = f"{card.text.rstrip()}\n\n## What was measured\n\n{figures.strip()}\n"
            card.save(partial / CARD)
        if gguf:
            write_gguf(model, partial / GGUF, str(card.data.license))


def push(folder: Path, repository: str) -> str:
    """Send an exported folder to the hub, into a repository that only its owner sees until they open it.

    Args:
        repository: `OWNER/NAME` on the hub; made where there is none. `HF_TOKEN` says who asks.

    Returns:
        The address of the repository.

    Raises:
        BadInput: there is no token, or the hub cannot be reached or refuses.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        remedy = "Set it to a token that may write; the folder is whole"
        raise BadInput("HF_TOKEN", f"not set, so nothing was sent from {folder}", remedy)
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    try:
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="A poet made by Estrofa")
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx2.HTTPError, OSError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = f"The folder {folder} is whole; correct the name or the token, or try again"
        raise BadInput(f"--push {repository}", f"the hub did not take it ({said})", remedy) from error
    return str(address)

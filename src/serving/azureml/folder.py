"""Scores the files of a folder by the batch script, as a batch deployment with one process would.

    python -m serving.azureml.folder FOLDER --out FILE --mini-batch-size N

with AZUREML_MODEL_DIR and the variables that serving.azureml names. FILE gets the rows, whole or not at all.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from serving.azureml import batch
from serving.errors import ServingError, exit_code


def score_folder(folder: Path, size: int) -> Iterator[str]:
    """Yield a row for each file, in the order of their names; hidden files are left out.

    Raises ServingError where there is none, and what init does.
    """
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    files = [str(folder / name) for name in names if not any(part.startswith(".") for part in name.parts)]
    if not files:
        raise ServingError(f"{folder}: holds no files: name a folder of images")
    batch.init()
    for start in range(0, len(files), size):
        yield from batch.run(files[start : start + size])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving.azureml.folder", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the images, in folders or not")
    parser.add_argument("--out", type=Path, required=True, help="the file of rows")
    parser.add_argument("--mini-batch-size", type=int, required=True, help="how many files a call of run() gets")
    return parser.parse_args()


def main() -> None:
    """Write the rows that the command line asks for."""
    options = _arguments()
    temporary = options.out.with_name(f".{options.out.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in score_folder(options.folder, options.mini_batch_size))
        temporary.replace(options.out)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))

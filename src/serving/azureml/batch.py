"""The scoring script of an Azure ML batch deployment: init() once in each process, run() for each mini-batch of files.

Each file gets one row, in order, whatever is in it: what can't be scored costs the others nothing, and its row says
why. A row is a line of JSON, so that no name of a file breaks a table: file (as it was given), label, score, error,
model, model_version, digest. Where a file was scored its error is null, else label and score are.

It is told what it serves by the variables that serving.azureml names. Azure ML counts a mini-batch as failed whose
run() raises or returns another number of rows than it got files; this one does neither.

Source: https://learn.microsoft.com/azure/machine-learning/how-to-batch-scoring-script.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# The runtime that was uploaded with this file, before one that the image may hold.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import orjson  # noqa: E402

from serving.azureml.loading import load_served  # noqa: E402
from serving.deployments import ServedModel  # noqa: E402
from serving.errors import RequestError, one_line  # noqa: E402
from serving.http.limits import Limits  # noqa: E402
from serving.images import decode_image  # noqa: E402
from serving.work import Frames, Work, execute  # noqa: E402

AT_ONCE = 16  # decoded frames in memory; a model gains little by more of them together
MOST_BYTES = Limits().body_bytes  # of a file: what the endpoint takes of an image, a batch takes

served: list[ServedModel] = []


def init() -> None:
    """Load the model. Raises ServingError or PackageError, with which the job ends."""
    served[:] = [load_served()]


def run(mini_batch: Sequence[str]) -> list[str]:
    """Return a row for each file, in order."""
    return [orjson.dumps(row).decode() for row in rows(mini_batch, served[0])]


def rows(files: Sequence[str], model: ServedModel) -> Iterator[dict[str, Any]]:
    """Yield what each row says."""
    deployment = model.deployments[0]
    assert deployment.model is not None  # load_served makes no other
    for start in range(0, len(files), AT_ONCE):
        some = files[start : start + AT_ONCE]
        works = [Work(deployment, time.monotonic(), read=partial(_read, Path(file))) for file in some]
        execute(deployment.model, works)
        for file, work in zip(some, works, strict=True):
            source = {"model": model.name, "model_version": deployment.version, "digest": deployment.declared.digest}
            yield {"file": _text(file), **_outcome(work), **source}


def _read(file: Path) -> Frames:
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise RequestError(413, f"the file has {size} bytes, {MOST_BYTES} are allowed")
        return decode_image(file.read_bytes())[None]
    except OSError as error:
        raise RequestError(400, f"the file cannot be read: {error.strerror}") from None


def _outcome(work: Work) -> dict[str, Any]:
    if work.prediction is not None:
        column, score = work.prediction.top[0]
        return {"label": work.prediction.classes[column], "score": score, "error": None}
    reason = str(work.error) if isinstance(work.error, RequestError) else one_line(work.error or RuntimeError("unread"))
    return {"label": None, "score": None, "error": _text(reason)}


def _text(name: str) -> str:
    # A name that is not UTF-8 comes from Python with surrogates, which JSON can't say.
    return name.encode(errors="surrogateescape").decode(errors="replace")

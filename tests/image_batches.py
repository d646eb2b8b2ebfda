"""A batch of images, published as the demo's scene `batch` does, for a life to score."""

from __future__ import annotations

from pathlib import Path

from running_endpoint import picture

from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.records import write_record

IMAGES = 7


def publish_batch(folder: Path, run: str = "life/batch") -> None:
    """Write IMAGES images of two lines to `folder`, and publish them where production keeps its data."""
    for number in range(IMAGES):
        path = folder / f"line-{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture((200, 10, 10) if number % 3 else (10, 10, 200)))
    production = Context(load_stage("production"), run_folder(run))
    write_record(production.run, "data", production.data.publish("images", folder))

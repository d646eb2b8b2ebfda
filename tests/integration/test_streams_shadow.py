"""A shadow of streams that fails costs no frame, and is no shadow that disagrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model_packages import make_package
from modelpackage import package_digest
from serving.model import Model, load_model
from serving.streams.config import StreamSource
from serving.streams.engine import Engine
from serving.streams.outlets import Outlets
from serving.streams.scorer import Models
from stream_clips import RED, Lines, plain_clip


def test_frames_that_a_shadow_fails_on_are_its_failures_and_no_disagreements(tmp_path: Path) -> None:
    def fail(frames: np.ndarray) -> Any:
        raise RuntimeError("it does not run")

    package = make_package(tmp_path / "package")
    model = load_model(package, package_digest(package), "fp32")
    broken = Model(**{**{name: getattr(model, name) for name in model.__dataclass_fields__}, "run": fail})
    clip = plain_clip(tmp_path / "a.mp4", RED, 20)
    engine = Engine(
        [StreamSource("a", str(clip), pace="none")], [Models(model, broken)], Outlets("sha256:d", "fp32", [Lines()])
    )
    engine.run(lambda overview: None)
    overview = engine.overview()
    assert (overview.outlets.shadow_failures, overview.outlets.disagreements) == (20, 0)
    assert overview.streams[0].shelf.counts.scored == 20

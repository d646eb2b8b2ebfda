"""A bare loop over a clip: decode, convert, run the model, on one thread. What a stream engine is measured against.

Child processes as in benchmarks.serving.bare, one a stream, at most one a core; each plays the clip again and again.
Run: python -m benchmarks.serving.barestream MODEL CLIP; it says "ready" and reads for how many seconds to loop.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.peers.scorer import Scorer, open_session


def frames(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield a clip's frames without end, uint8 RGB [1, height, width, 3]."""
    while True:
        with av.open(str(clip)) as container:
            container.streams.video[0].thread_type = "NONE"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)[None]


def loop(scorer: Scorer, clip: Path, seconds: float) -> dict[str, float]:
    """Decode and score for some seconds."""
    source = frames(clip)
    scorer.logits(next(source))
    images, cpu, begin = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() < begin + seconds:
        scorer.logits(next(source))
        images += 1
    return {"images": images, "seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    session = Scorer(open_session(sys.argv[1]), (), 0)
    print("ready", flush=True)
    print(json.dumps(loop(session, Path(sys.argv[2]), float(sys.stdin.readline()))), flush=True)

"""Frames of a video file, one after another, by PyAV. It knows nothing of models; memory does not grow with length."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError


def read_frames(source: str) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames, uint8 RGB [height, width, 3]. Raises ServingError where the source is no video or is cut."""
    number = 0
    try:
        with av.open(source) as container:
            if not container.streams.video:
                raise ServingError(f"{source}: holds no video stream: name another --source")
            for number, frame in enumerate(container.decode(video=0), start=1):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.FFmpegError, OSError) as error:
        raise ServingError(f"{source}: cannot be read after frame {number} ({error.strerror}): make it again") from None
    if not number:
        raise ServingError(f"{source}: holds no frame: make it again")

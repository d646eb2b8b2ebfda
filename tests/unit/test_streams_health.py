"""Pictures that stand still, are black or change their size, against those of a camera that is well."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from serving.streams.health import BLACK, FROZEN, Health, is_black, is_still, some_rows
from stream_clips import BLACK as BLACK_COLOUR
from stream_clips import RED, scene


def rows(seed: int | None = None, colour: tuple[int, int, int] = RED) -> NDArray[np.uint8]:
    """Return what is looked at of a frame."""
    return some_rows(av.VideoFrame.from_ndarray(scene(colour, seed=seed), format="rgb24"))


def test_a_live_sensor_is_well_for_ever() -> None:
    health = Health(3, 3)
    health.connect(0)
    assert not any(health.see(rows(second), second) for second in range(1, 20))


def test_a_picture_that_stands_still_is_frozen_once_it_lasted() -> None:
    health = Health(3, 9)
    health.connect(0)
    assert [health.see(rows(1), second) for second in range(1, 6)] == [set(), set(), set(), {FROZEN}, {FROZEN}]


def test_a_keyframe_of_the_same_picture_does_not_move_it() -> None:
    still = rows(1)
    nudged = still.copy()
    nudged[0, :20] += 1
    assert is_still(still, nudged) and not is_still(still, rows(2))
    assert not is_still(None, still) and not is_still(still, still[:, :-1])


def test_black_is_told_though_a_clock_is_drawn_into_it() -> None:
    dark = rows(None, BLACK_COLOUR)
    dark[0, :3] = 255
    health = Health(99, 2)
    health.connect(0)
    assert is_black(dark) and not is_black(rows(1))
    assert [health.see(dark, second) for second in range(4)] == [set(), set(), {BLACK}, {BLACK}]


def test_a_fault_is_known_until_it_is_over_through_connections() -> None:
    health = Health(2, 99)
    health.connect(0)
    health.see(rows(1), 0)
    health.known |= health.see(rows(1), 2)
    assert health.known == {FROZEN}
    health.connect(10)
    assert health.see(rows(1), 11) == set(), "a source that was just opened has its time"
    assert health.known == {FROZEN}
    health.see(rows(2), 12)
    assert health.known == set()


def test_a_new_size_is_said_once() -> None:
    health = Health(9, 9)
    said = [health.resize(size) for size in ((640, 360), (640, 360), (1280, 720), (1280, 720))]
    assert said == [None, None, "from 640x360 to 1280x720", None]


def test_it_looks_now_and_then() -> None:
    health = Health(9, 9)
    health.see(rows(1), 5.0)
    assert [health.is_due(now) for now in (5.0, 5.2, 5.3)] == [False, False, True]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj422p", "nv12", "gray", "rgb24", "yuyv422", "yuv420p10le"])
def test_brightness_is_read_from_every_format(pixel_format: str) -> None:
    dark, light = (
        some_rows(av.VideoFrame.from_ndarray(scene(colour), format="rgb24").reformat(format=pixel_format))
        for colour in (BLACK_COLOUR, (250, 250, 250))
    )
    assert dark.shape == light.shape == (8, 96)
    assert is_black(dark) and not is_black(light)
    assert abs(int(light.mean()) - 240) < 16

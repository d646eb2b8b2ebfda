"""Pictures as a model takes them: the region's own pixels, whatever the source's format, as a batch of RGB."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from serving.errors import ServingError
from serving.streams.frames import Converter, Cropper

HEIGHT, WIDTH = 72, 128


def smooth() -> NDArray[np.uint8]:
    """Return a picture whose colours change slowly, [height, width, 3]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x, 3 * y, 255 - x], axis=-1).astype(np.uint8)


def picture(pixel_format: str) -> av.VideoFrame:
    """Return the smooth picture in a format."""
    return av.VideoFrame.from_ndarray(smooth(), format="rgb24").reformat(format=pixel_format)


@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuv420p",
        "yuvj422p",
        "yuv444p",
        "nv12",
        "p010le",
        "yuv420p10le",
        "yuv422p12le",
        "yuyv422",
        "rgb24",
        "bgr24",
        "gray",
    ],
)
@pytest.mark.parametrize("region", [(0, 0, WIDTH, HEIGHT), (20, 10, 40, 30), (21, 11, 39, 29)])
def test_a_region_is_what_the_whole_picture_has_there(pixel_format: str, region: tuple[int, int, int, int]) -> None:
    x, y, width, height = region
    one = picture(pixel_format)
    cropped = Cropper(region).crop(one)
    batch = Converter().batch([cropped, cropped], (height, width))
    whole = Converter().batch([one], (HEIGHT, WIDTH))[0, y : y + height, x : x + width].astype(int)
    assert batch.shape == (2, height, width, 3) and batch.dtype == np.uint8 and batch.flags.c_contiguous
    assert np.abs(batch - whole).max() <= (8 if region[0] % 2 else 3 if pixel_format.endswith("le") else 0)
    assert np.abs(whole - smooth()[y : y + height, x : x + width]).mean() < 4 or pixel_format == "gray"


def test_without_a_region_the_picture_itself_is_taken() -> None:
    one = picture("yuv420p")
    assert Cropper(None).crop(one) is one


def test_a_cropper_follows_a_change_of_size_and_format() -> None:
    cropper = Cropper((10, 10, 20, 20))
    for one in (picture("yuv420p"), picture("nv12"), av.VideoFrame(64, 48, "yuv420p"), picture("yuv420p")):
        assert (cropper.crop(one).width, cropper.crop(one).height) == (20, 20)


def test_a_cropped_picture_outlives_its_cropper_and_its_source() -> None:
    kept = [Cropper((16, 16, 32, 32)).crop(picture("yuv420p")) for _ in range(20)]
    expected = picture("yuv420p").to_ndarray(format="rgb24")[16:48, 16:48]
    assert all(np.array_equal(row, expected) for row in Converter().batch(kept, (32, 32)))


def test_a_region_that_is_outside_is_named_with_the_frame() -> None:
    with pytest.raises(ServingError, match="region 100,0,40,40 is not inside the frame of 128x72"):
        Cropper((100, 0, 40, 40)).crop(picture("yuv420p"))

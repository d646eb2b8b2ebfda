"""Image bytes to a frame, and the reason, with an HTTP status, where they are none. It knows nothing of models.

JPEG, PNG and WebP only: each further format of the decoder is a further surface for a hostile file. JPEG goes through
libjpeg-turbo at once, for the very pixels that Pillow's default decoding gives, which training reads. What libjpeg only
warns of, a cut file above all, is refused: the grey it puts in place of what is missing is nobody's picture.
An EXIF orientation is not applied, as it is not in training: the frame is the sensor's.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from serving.errors import RequestError
from serving.imageheader import JPEG, PNG, Header, check_chunks, read_header

MAX_PIXELS = 40_000_000
MAX_SCANS = 50  # encoders write about ten, and each may cost a pass over all coefficients for hardly a byte
BY_TURBOJPEG = ("Gray", "YCbCr", "RGB")
SCAN = b"\xff\xda"  # nothing else looks so in a scan's data; a thumbnail among the metadata counts as well

# Pillow warns of odd metadata in words taken from the file; each new wording would be logged, and remembered for ever.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode_image(content: bytes) -> NDArray[np.uint8]:
    """Return the image as a frame, uint8 RGB [height, width, 3]; transparency is dropped.

    Raises RequestError: 400 on an empty, cut or damaged image, 413 on one over MAX_PIXELS, 415 on another format, an
    animation or more than eight bits a channel.
    """
    return _decode(content, 0)


def decode_scaled(content: bytes, side: int) -> NDArray[np.uint8]:
    """Return a JPEG as the smallest frame of libjpeg's scales whose height and width are `side` or more.

    A third faster and less memory, for a model that scales to `side` anyway, but not the pixels of decode_image: the
    accuracy must be measured before it is used. An image that is smaller, or no JPEG, comes whole. Raises as above.
    """
    return _decode(content, side)


def image_size(content: bytes) -> tuple[int, int]:
    """Return width and height, from the header alone. Raises RequestError: 400 on a damaged header, 413, 415."""
    header = _checked_header(content)
    return header.width, header.height


def _checked_header(content: bytes) -> Header:
    header = read_header(content)
    _check_pixels(header.width, header.height)
    if header.depth > 8:  # Pillow would clip it without a word
        raise RequestError(415, f"the image has {header.depth} bits a channel: send eight")
    return header


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise RequestError(413, f"the image has {width}x{height} pixels, {MAX_PIXELS} are allowed")


def _decode(content: bytes, side: int) -> NDArray[np.uint8]:
    header = _checked_header(content)
    if header.kind == PNG:
        check_chunks(content)
    if header.is_progressive and content.count(SCAN) > MAX_SCANS:
        raise RequestError(400, f"the image has more than {MAX_SCANS} scans: save it as a baseline JPEG")
    try:
        if header.kind == JPEG and _is_for_turbojpeg(content):
            return simplejpeg.decode_jpeg(content, "RGB", min_height=side, min_width=side)
        return _by_pillow(content, header.kind)
    except RequestError:
        raise
    except Exception as error:  # a decoder raises whatever its parsing of hostile bytes meets
        raise RequestError(400, f"the image is cut or damaged: {_reason(error)}") from None


def _is_for_turbojpeg(content: bytes) -> bool:
    """Tell whether TurboJPEG reads it as Pillow does: not CMYK, nor some of the rarer chroma samplings."""
    try:
        return simplejpeg.decode_jpeg_header(content)[2] in BY_TURBOJPEG
    except ValueError:
        return False


def _by_pillow(content: bytes, kind: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=(kind,)) as image:
        _check_pixels(*image.size)  # a second header in the file may say another size than the first
        if getattr(image, "is_animated", False):
            raise RequestError(415, "the image is animated: send one of its frames")
        return np.asarray(image.convert("RGB"))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

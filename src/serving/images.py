"""Image bytes to a frame, and the reason, with an HTTP status, where they are none. It knows nothing of models.

JPEG and PNG only: each further format of the decoder is a further surface for a hostile file.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from serving.errors import RequestError

FORMATS = ("JPEG", "PNG")
MAX_PIXELS = 40_000_000
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")  # eight bits or fewer a channel; deeper ones would be clipped


def decode_image(content: bytes) -> NDArray[np.uint8]:
    """Return the image as a frame, uint8 RGB [height, width, 3]; transparency is dropped.

    Raises RequestError: 400 on an empty, cut or damaged image or one over MAX_PIXELS, 415 on another format.
    """
    if not content:
        raise RequestError(400, "the body is empty: send the bytes of a JPEG or PNG image")
    image = _open(content)
    if image.width * image.height > MAX_PIXELS:
        raise RequestError(400, f"the image has {image.width}x{image.height} pixels, {MAX_PIXELS} are allowed")
    if image.mode not in MODES:
        raise RequestError(415, f"the image's pixels are of mode {image.mode}: send eight bits a channel")
    try:
        return np.asarray(image.convert("RGB"))
    except Exception as error:  # a decoder raises whatever its parsing of hostile bytes meets
        raise RequestError(400, f"the image is cut or damaged: {_reason(error)}") from None


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise RequestError(400, f"the image has far more than {MAX_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise RequestError(415, "the body is no JPEG or PNG image") from None
    except Exception as error:  # as above: the header is parsed here
        raise RequestError(400, f"the image's header is damaged: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

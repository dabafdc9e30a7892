"""Pictures that cameras send compressed: ``sensor_msgs/CompressedImage`` as image_transport makes it, JPEG or PNG.

What its format means is that of the package compressed_image_transport: ``jpeg``, ``png``, or the encoding that was
compressed and what became of it, as ``rgb8; jpeg compressed bgr8``.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
#: With what a whole picture ends. Some versions of OpenCV fill what is missing with grey, and call it a picture.
PNG_END, JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"
#: Markers of JPEG (ITU-T T.81, table B.1): those that begin a frame, and those with no length after them.
FRAMES, BARE = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}), frozenset({0x01, *range(0xD0, 0xDA)})
#: Segments that are looked at for the size of a JPEG.
SEGMENTS = 64
#: compressed_image_transport's own default.
QUALITY = 95

#: Bits a colour, rows, columns.
Size = tuple[int, int, int]


def decompress(data: NDArray[np.uint8], form: str, height: int, width: int, name: str) -> tuple[NDArray[np.uint8], str]:
    """The bytes of the picture, ``height`` rows without padding, and their encoding as ``sensor_msgs/Image`` has it.

    Args:
        form: the message's ``format``.
        name: what errors call this image, e.g. its camera.

    Raises:
        ContractError: another format, another size (found out before anything is decoded), more than 8 bits a colour,
            or bytes that end too early or cannot be decoded.
    """
    if "compressedDepth" in form:
        raise ContractError(f"{name}.format", form, "a picture, which compressedDepth is not")
    sent = data.tobytes()
    whole, size = _png(sent) if sent.startswith(PNG) else _jpeg(sent)
    if size is None:
        raise ContractError(f"{name}.data", f"{len(sent)} bytes as {form!r}", "a JPEG or a PNG")
    bits, *found = size
    if found != [height, width]:
        raise ContractError(f"{name}.size", f"{found[1]}x{found[0]}", f"{width}x{height} as in the robot file")
    if bits > 8:
        raise ContractError(f"{name}.data", f"{bits} bits a colour", "8 bits a colour")
    if not whole:
        raise ContractError(f"{name}.data", f"{len(sent)} bytes", f"all of the picture ({form}): its end is missing")
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (height, width) or pixels.dtype != np.uint8:
        raise ContractError(f"{name}.data", f"{len(sent)} bytes", f"a picture ({form}) that can be decoded")
    return np.asarray(pixels, np.uint8).reshape(-1), _encoding(form, pixels.size // (height * width))


def compress(pixels: NDArray[np.uint8]) -> tuple[str, bytes]:
    """Format and data of uint8 RGB ``[H, W, 3]`` as JPEG."""
    made = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
    return "rgb8; jpeg compressed bgr8", made.tobytes()


def _encoding(form: str, channels: int) -> str:
    """Of what OpenCV decodes: blue first, unless red and blue were swapped before they were compressed."""
    source, signalled, coded = form.partition(";")
    if channels == 1:
        return source if source.startswith("bayer_") else "mono8"
    swapped = signalled and source.startswith(("rgb", "bgr")) and "compressed bgr" not in coded
    order = "rgb" if swapped else "bgr"
    return f"{order}8" if channels == 3 else f"{order}a8"


def _png(sent: bytes) -> tuple[bool, Size | None]:
    """Whether it has its end, and what its header says (ISO/IEC 15948, 11.2.2)."""
    if len(sent) < 25 or sent[12:16] != b"IHDR":
        return False, None
    size = sent[24], int.from_bytes(sent[20:24], "big"), int.from_bytes(sent[16:20], "big")
    return PNG_END in sent, size


def _jpeg(sent: bytes) -> tuple[bool, Size | None]:
    """Whether it has its end, which cameras may pad, and what the header of its frame says (ITU-T T.81, B.2.2)."""
    at = 2 if sent.startswith(JPEG) else len(sent)
    for _ in range(SEGMENTS):
        if at + 9 > len(sent) or sent[at] != 0xFF or sent[at + 1] in BARE:
            return False, None
        if sent[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        length = 2 + int.from_bytes(sent[at + 2 : at + 4], "big")
        if sent[at + 1] in FRAMES:
            size = (
                sent[at + 4],
                int.from_bytes(sent[at + 5 : at + 7], "big"),
                int.from_bytes(sent[at + 7 : at + 9], "big"),
            )
            return sent.find(JPEG_END, at + length) > 0, size
        at += length
    return False, None

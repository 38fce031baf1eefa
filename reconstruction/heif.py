"""HEIC -> JPEG: `python -m reconstruction.heif PHOTO > JPEG`. Only here is libheif loaded: it dies on some damaged files.

`reconstruction.formats` is the other side of the pipe.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pi_heif
from PIL import Image

from reconstruction.errors import ImageError
from reconstruction.formats import check_size, to_jpeg

MEMORY_BYTES, CPU_S = 4 << 30, 60


def decode(path: Path) -> bytes:
    """The JPEG. libheif has turned it upright, and says so in the EXIF that it passes on."""
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    with Image.open(path, formats=("HEIF",)) as image:
        check_size(path, *image.size)
        return to_jpeg(image)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    try:
        sys.stdout.buffer.write(decode(Path(sys.argv[1])))
    except ImageError as error:
        sys.exit(error.what)
    except Exception as error:
        sys.exit(str(error))

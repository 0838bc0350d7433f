"""What stands in the reference of an image."""

import re

from msgspec import Struct

from facilitair_llm.calls import Image
from facilitair_llm.errors import ProviderError

DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+);base64,([A-Za-z0-9+/]+={0,2})")


class InlineImage(Struct, frozen=True):
    """An image whose bytes are in the reference itself, as base64."""

    media_type: str
    base64: str


def inline_image(image: Image) -> InlineImage | None:
    """Return what a `data:` URL holds, None for an `https:` one.

    Raises ProviderError (`sent` is False) for any other reference: nobody could load it.
    """
    if image.url.startswith("https://"):
        return None
    found = DATA_URL.fullmatch(image.url)
    if found is None:
        raise ProviderError(
            kind="invalid_request",
            message="an image has to be an https: URL or a data: URL with base64",
            sent=False,
        )
    return InlineImage(media_type=found[1], base64=found[2])

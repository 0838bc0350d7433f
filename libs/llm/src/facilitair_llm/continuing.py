"""How a model is asked to go on with an answer that broke off."""

from typing import Final

GO_ON: Final = (
    "Your answer breaks off there. Go on exactly where it ends: write only what comes next, from "
    "the next character on. Repeat nothing, add no remark, and do not begin anew."
)
"""Said after the text so far, which is the assistant message before it.

It is a message of its own, because many models refuse a request that ends with an assistant's.
"""

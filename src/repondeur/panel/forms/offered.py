"""Which mailboxes a form's list had, signed.

So one that is gone meanwhile can be told from one that was put into the form by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core import signing

_SALT = "offered"


def signed(locals_: Sequence[str] | None) -> str:
    """For a hidden field. None: there is no list, a mailbox is typed."""
    return signing.Signer(salt=_SALT).sign_object(locals_, compress=True)


def has(text: str, local: str) -> bool:
    """Whether the page that `text` came from let people choose `local`."""
    try:
        locals_: Sequence[str] | None = signing.Signer(salt=_SALT).unsign_object(text)
    except signing.BadSignature:
        return False
    return locals_ is None or local in locals_

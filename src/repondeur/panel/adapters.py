"""Where allauth asks this project: accounts, mail links, secrets of the second factor."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from repondeur.store.models import Customer

SIGN_IN_REFUSED = _("This identifier and this password do not go together. Check both, then retry.")
WRONG_CODE = _("This code is not right. Wait for the next one, then retry.")

# By the names of allauth's templates.
SAID = {
    "account/messages/password_changed.txt": _("Your password is changed."),
    "mfa/messages/totp_activated.txt": _("The authenticator app is added. Keep these codes, too."),
    "mfa/messages/totp_deactivated.txt": _("The authenticator app is removed."),
    "mfa/messages/recovery_codes_generated.txt": _("These are your new codes."),
    "mfa/messages/webauthn_added.txt": _("The passkey is added."),
    "mfa/messages/webauthn_removed.txt": _("The passkey is removed."),
}


def shown(customer: Customer) -> str:
    """What a customer is called on a page."""
    return customer.name or (customer.email if customer.delegate else customer.nic)


def absolute(request: HttpRequest, path: str) -> str:
    """The address of a page for a mail, from `reverse()`'s path."""
    public: str = settings.PANEL_PUBLIC_URL
    if not public:
        return request.build_absolute_uri(path)
    return public.rstrip("/") + path.removeprefix(settings.FORCE_SCRIPT_NAME or "")


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in by customer id or e-mail; the hoster makes the accounts."""

    error_messages = {  # noqa: RUF012 (allauth's own form)
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": SIGN_IN_REFUSED,
        "email_password_mismatch": SIGN_IN_REFUSED,
        "too_many_login_attempts": _("Too many attempts. Wait five minutes, then retry."),
        "incorrect_password": _("This is not your password."),
        "enter_current_password": _("This is not your current password."),
        "incorrect_code": WRONG_CODE,
        "rate_limited": _("Too many attempts. Wait a few minutes, then retry."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        del request  # nobody signs up: the hoster makes the accounts
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        uid, _, rest = key.partition("-")
        return absolute(self.request, path.replace("UID-KEY", f"{uid}-{rest}"))

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        if getattr(request.user, "delegate", False):
            return reverse("home")
        return str(super().get_login_redirect_url(request))

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """What was done, in our words; where the next page shows it anyway, nothing."""
        del args, kwargs  # allauth's own words
        said = SAID.get(message_template or "")
        if said is not None:
            messages.add_message(request, level, str(said))


class MFAAdapter(DefaultMFAAdapter):
    """Secrets of authenticator apps rest encrypted with a key made from the service's own."""

    error_messages = {**DefaultMFAAdapter.error_messages, "incorrect_code": WRONG_CODE}  # noqa: RUF012 (allauth's own form)

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _fernet().decrypt(encrypted_text.encode()).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Whose passkeys these are (W3C WebAuthn, §5.4.2): the public URL's host, whatever name a
        proxy asks us by, so that they stay good."""
        name = urlsplit(settings.PANEL_PUBLIC_URL).hostname
        return {"id": name or context.request.get_host().partition(":")[0], "name": "Repondeur"}

    def get_totp_label(self, user: Any) -> str:
        return str(user.nic)


def _fernet() -> Fernet:
    secret = str(settings.SECRET_KEY).encode()
    digest = hashlib.blake2b(secret, digest_size=32, person=b"second factor").digest()
    return Fernet(base64.urlsafe_b64encode(digest))

"""allauth's forms in the panel's words."""

from __future__ import annotations

from typing import Any, cast

from allauth.account import forms as account
from allauth.mfa.base import forms as second
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as passkey
from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from repondeur.hosting import addresses
from repondeur.hosting.customers import PASSWORD_LENGTH
from repondeur.hosting.errors import Invalid
from repondeur.panel.sentences import sentence

LOGIN_LENGTH = 254  # an e-mail address, the longer of the two

Words = str | Promise


def word(
    form: forms.BaseForm, name: str, label: Words, help_text: Words = "", **attrs: Any
) -> None:
    """Label and help of a field in our words; a placeholder would only repeat the label."""
    field = form.fields[name]
    field.label, field.help_text = cast("str", label), cast("str", help_text)  # lazy ones act alike
    field.widget.attrs.pop("placeholder", None)
    field.widget.attrs.update(attrs)


def limit(form: forms.BaseForm, **lengths: int) -> None:
    """The most characters that each field takes."""
    for name, length in lengths.items():
        field = form.fields[name]
        assert isinstance(field, forms.CharField)
        field.max_length = length
        field.validators.append(forms.CharField(max_length=length).validators[0])


class SignInForm(account.LoginForm):
    """Customer id or e-mail, and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        word(self, "login", _("Customer ID or e-mail address"), autocomplete="username webauthn",
             autocapitalize="none", spellcheck="false", autofocus=True)  # fmt: skip
        word(self, "password", _("Password"))
        word(self, "remember", _("Stay signed in on this device"))
        limit(self, login=LOGIN_LENGTH, password=PASSWORD_LENGTH)

    def clean_login(self) -> str:
        login: str = super().clean_login()
        try:
            return addresses.joined(login)  # as accounts keep it: HÉLÈNE@café.fr is one of them
        except Invalid:
            return login


class ForgottenForm(account.ResetPasswordForm):
    """Where to send the link for a new password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not allauth's field: Django's EmailField refuses what RFC 6531 allows before the @.
        self.fields["email"] = forms.CharField(widget=forms.TextInput(attrs={"autofocus": True}))
        word(self, "email", _("Your e-mail address"), autocomplete="email", inputmode="email",
             autocapitalize="none", spellcheck="false")  # fmt: skip
        limit(self, email=LOGIN_LENGTH)

    def clean_email(self) -> str:
        try:
            self.cleaned_data["email"] = addresses.joined(self.cleaned_data["email"], "email")
        except Invalid as error:
            raise ValidationError(sentence(error)) from error
        email: str = super().clean_email()
        return email


NEW_PASSWORD_HELP = _("At least 10 characters. A short sentence is easy to keep in mind.")


class NewPasswordForm(account.ResetPasswordKeyForm):
    """A new password after a link."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        word(self, "password1", _("New password"), NEW_PASSWORD_HELP, autocomplete="new-password")
        word(self, "password2", _("The same once more"), autocomplete="new-password")
        limit(self, password1=PASSWORD_LENGTH, password2=PASSWORD_LENGTH)


class ChangePasswordForm(account.ChangePasswordForm):
    """A new password for who knows the old one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        word(self, "oldpassword", _("Current password"))
        word(self, "password1", _("New password"), NEW_PASSWORD_HELP, autocomplete="new-password")
        word(self, "password2", _("The same once more"))
        limit(self, oldpassword=PASSWORD_LENGTH, password1=PASSWORD_LENGTH,
              password2=PASSWORD_LENGTH)  # fmt: skip


class ConfirmPasswordForm(account.ReauthenticateForm):
    """The password once more, before something delicate."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        word(self, "password", _("Password"), autofocus=True)
        limit(self, password=PASSWORD_LENGTH)


_CODE_HELP = _("The six digits that your app shows, or one of your recovery codes.")
CODE_LENGTH = 32  # six digits or a recovery code, with room for spaces


def _word_code(form: forms.BaseForm, help_text: Words) -> None:
    word(form, "code", _("Code"), help_text, autofocus=True, inputmode="numeric", size=10)
    limit(form, code=CODE_LENGTH)


class CodeForm(second.AuthenticateForm):
    """The second factor at sign-in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word_code(self, _CODE_HELP)
        del self.fields["code"].widget.attrs["inputmode"]  # a recovery code may have letters


class ConfirmCodeForm(second.ReauthenticateForm):
    """The second factor once more, before something delicate."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word_code(self, _CODE_HELP)


class ActivateAppForm(totp.ActivateTOTPForm):
    """The first code of an authenticator app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word_code(self, _("The six digits that your app shows now."))


PASSKEY_NAME_LENGTH = 60  # to tell a few keys apart


class AddPasskeyForm(passkey.AddWebAuthnForm):
    """A new passkey; `passwordless` also lets it stand for the password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        word(self, "name", _("Name of this key"), _("To tell your keys apart: “my phone”."))
        word(self, "passwordless", _("Sign in with this key alone, without a password"))
        limit(self, name=PASSKEY_NAME_LENGTH)
        self.fields["passwordless"].initial = True


class RenamePasskeyForm(passkey.EditWebAuthnForm):
    """Another name for a passkey."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        word(self, "name", _("Name of this key"))
        limit(self, name=PASSKEY_NAME_LENGTH)

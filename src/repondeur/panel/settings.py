"""Django's settings for the panel, made from plain values (only cli and daemon read the config)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent

SESSION_AGE = timedelta(days=14)  # "stay signed in"; without it the session ends with the browser
RESET_LINK_AGE = timedelta(hours=2)  # long enough for a slow mailbox, short for a found link
STATIC_AGE = timedelta(days=30)  # links to our own files carry a digest: see templatetags/panel.py
# Above the longest form (200,000 characters of HTML, up to 12 octets each when percent-encoded).
BODY_MAX = 4 * 1024 * 1024
PASSWORD_LENGTH_MIN = 10  # NIST SP 800-63B asks for 8; the second factor is a choice here

LANGUAGES = [("fr", "Français"), ("en", "English")]  # each in its own words: the list of choices


@dataclass(frozen=True, slots=True)
class MailOut:
    """The relay that takes the panel's own mail: the one that takes the replies."""

    scheme: Literal["maildir", "smtp"]
    path: Path | None
    host: str
    port: int
    user: str
    password: str
    starttls: Literal["required", "optional", "never"]
    sender: str  # From of the panel's mail


def values(
    *, public_url: str, local_hosts: tuple[str, ...], mail: MailOut, mx_hosts: tuple[str, ...]
) -> dict[str, Any]:
    """The settings beside store.setup.base(); INSTALLED_APPS go before the base's.

    public_url: where people reach the panel, "" when nobody said. local_hosts: this machine's own
    names. No other Host is taken: without a public URL, links in mail are made from that field.
    """
    url = urlsplit(public_url)
    secure = url.scheme == "https"
    # A proxy beside us may ask by our own name: nginx does unless it is told to pass the Host.
    hosts = [*([url.hostname] if url.hostname else []), *local_hosts]
    return {
        "INSTALLED_APPS": [
            "repondeur.panel",
            "allauth",
            "allauth.account",
            "allauth.mfa",
            "allauth.usersessions",
            "django.contrib.admin.apps.SimpleAdminConfig",  # panel/admin.py has its own site
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "django.forms",  # its widgets, for our renderer
        ],
        "MIDDLEWARE": [
            "repondeur.panel.middleware.security_headers",
            "repondeur.panel.static_files.StaticFiles",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "repondeur.panel.middleware.acting",
            "repondeur.panel.middleware.preferences",
            "repondeur.panel.middleware.too_large",
            "django.contrib.messages.middleware.MessageMiddleware",
            "repondeur.panel.middleware.OwnResponderOnly",
            "repondeur.panel.middleware.SignedIn",
            "allauth.account.middleware.AccountMiddleware",
            "allauth.usersessions.middleware.UserSessionsMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [FOLDER / "templates"],  # before allauth's templates of the same names
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                        "repondeur.panel.context.panel",
                    ]
                },
            }
        ],
        "FORM_RENDERER": "repondeur.panel.forms.rendering.Renderer",
        "ALLOWED_HOSTS": hosts,
        "FORCE_SCRIPT_NAME": url.path.rstrip("/") or None,
        "APPEND_SLASH": True,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": BODY_MAX,
        "STATIC_URL": "static/",
        "WHITENOISE_USE_FINDERS": True,
        "WHITENOISE_AUTOREFRESH": False,
        "WHITENOISE_MAX_AGE": int(STATIC_AGE.total_seconds()),
        "WHITENOISE_ALLOW_ALL_ORIGINS": False,
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "cache",  # store/people.py: CacheEntry
            }
        },
        "LANGUAGES": LANGUAGES,
        "LOCALE_PATHS": [FOLDER / "locale"],
        "LANGUAGE_COOKIE_NAME": "language",
        "LANGUAGE_COOKIE_SAMESITE": "Lax",
        "LANGUAGE_COOKIE_HTTPONLY": True,
        "LANGUAGE_COOKIE_SECURE": secure,
        "LANGUAGE_COOKIE_AGE": int(timedelta(days=365).total_seconds()),
        **_sign_in(secure),
        **_cookies(secure, f"{url.scheme}://{url.netloc}" if secure else ""),
        "EMAIL_BACKEND": "repondeur.panel.mail_out.Backend",
        "DEFAULT_FROM_EMAIL": mail.sender,
        "SERVER_EMAIL": mail.sender,
        "PANEL_MAIL_OUT": mail,
        "PANEL_PUBLIC_URL": public_url,
        "PANEL_MX_HOSTS": mx_hosts,
    }


def _cookies(secure: bool, origin: str) -> dict[str, Any]:
    # A __Host- cookie is taken from this very host over TLS only (RFC 6265bis §4.1.3.2).
    prefix = "__Host-" if secure else ""
    return {
        "SESSION_COOKIE_NAME": f"{prefix}session",
        "SESSION_COOKIE_AGE": int(SESSION_AGE.total_seconds()),
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "CSRF_COOKIE_NAME": f"{prefix}csrf",
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SECURE": secure,
        "CSRF_TRUSTED_ORIGINS": [origin] if origin else [],
        "CSRF_FAILURE_VIEW": "repondeur.panel.views.errors.csrf_failure",
        "PANEL_SECURE": secure,
    }


def _sign_in(secure: bool) -> dict[str, Any]:
    validators = "django.contrib.auth.password_validation."
    return {
        "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": validators + "UserAttributeSimilarityValidator",
             "OPTIONS": {"user_attributes": ("nic", "email", "name")}},
            {"NAME": validators + "MinimumLengthValidator",
             "OPTIONS": {"min_length": PASSWORD_LENGTH_MIN}},
            {"NAME": validators + "CommonPasswordValidator"},
        ],
        "PASSWORD_RESET_TIMEOUT": int(RESET_LINK_AGE.total_seconds()),
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "domains",
        "LOGOUT_REDIRECT_URL": "account_login",
        "ACCOUNT_ADAPTER": "repondeur.panel.adapters.AccountAdapter",
        "ACCOUNT_FORMS": {
            "login": "repondeur.panel.forms.sign_in.SignInForm",
            "reset_password": "repondeur.panel.forms.sign_in.ForgottenForm",
            "reset_password_from_key": "repondeur.panel.forms.sign_in.NewPasswordForm",
            "change_password": "repondeur.panel.forms.sign_in.ChangePasswordForm",
            "reauthenticate": "repondeur.panel.forms.sign_in.ConfirmPasswordForm",
        },
        "ACCOUNT_LOGIN_METHODS": {"username", "email"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "email*", "password1*"],
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": "nic",
        "ACCOUNT_USER_MODEL_EMAIL_FIELD": "email",
        "ACCOUNT_USER_DISPLAY": "repondeur.panel.adapters.shown",
        "ACCOUNT_EMAIL_VERIFICATION": "none",  # the hoster gives the addresses
        "ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS": False,  # nobody writes to strangers through us
        "ACCOUNT_EMAIL_NOTIFICATIONS": True,
        "ACCOUNT_EMAIL_SUBJECT_PREFIX": "",
        "ACCOUNT_PREVENT_ENUMERATION": True,
        "ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE": False,
        "ACCOUNT_REAUTHENTICATION_TIMEOUT": int(timedelta(minutes=10).total_seconds()),
        "ACCOUNT_PRESERVE_USERNAME_CASING": False,
        "MFA_ADAPTER": "repondeur.panel.adapters.MFAAdapter",
        "MFA_FORMS": {
            "authenticate": "repondeur.panel.forms.sign_in.CodeForm",
            "reauthenticate": "repondeur.panel.forms.sign_in.ConfirmCodeForm",
            "activate_totp": "repondeur.panel.forms.sign_in.ActivateAppForm",
            "add_webauthn": "repondeur.panel.forms.sign_in.AddPasskeyForm",
            "edit_webauthn": "repondeur.panel.forms.sign_in.RenamePasskeyForm",
        },
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_TOTP_ISSUER": "Repondeur",
        "MFA_TOTP_TOLERANCE": 1,  # RFC 6238 §5.2: one step for a clock that is a little off
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,  # the hoster gives the addresses
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": not secure,  # browsers allow it on localhost alone
        "USERSESSIONS_TRACK_ACTIVITY": False,  # it would write to the database at each request
    }  # fmt: skip

"""The panel's routes. allauth's views are mounted one by one: only those we have pages for."""

from __future__ import annotations

from allauth.account import views as account_views
from allauth.mfa.base import views as mfa_views
from allauth.mfa.recovery_codes import views as codes_views
from allauth.mfa.totp import views as totp_views
from allauth.mfa.webauthn import views as passkey_views
from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path
from django.views.i18n import set_language

from repondeur.panel.admin import site
from repondeur.panel.views import (
    access,
    account,
    act_as,
    consent,
    delegates,
    domains,
    form,
    journal,
    mailboxes,
    operations,
    own,
    responders,
    staff_mailboxes,
    tester,
)

DOMAIN = "emails/<str:name>/"
RESPONDER = DOMAIN + "responders/<int:responder_id>/"

_emails = [
    path("", own.home, name="home"),
    path("emails/", domains.listing, name="domains"),
    path(DOMAIN, mailboxes.listing, name="mailboxes"),
    path("consent/<str:token>/", consent.consent, name="consent"),
    path(DOMAIN + "information/", domains.information, name="information"),
    path(DOMAIN + "operations/", operations.listing, name="operations"),
    path(DOMAIN + "operations/<int:operation_id>/retry/", operations.retry, name="retry"),
    path(DOMAIN + "owners/", delegates.listing, name="delegates"),
    path(DOMAIN + "owners/invite/", delegates.invite, name="delegate_invite"),
    path(DOMAIN + "owners/withdraw/", delegates.withdraw, name="delegate_withdraw"),
    path(DOMAIN + "responders/", responders.listing, name="responders"),
    path(DOMAIN + "responders/add/", form.add, name="responder_add"),
    path(DOMAIN + "responders/preview/", form.preview_part, name="responder_preview"),
    path(DOMAIN + "responders/name/", form.name_part, name="responder_name"),
    path(RESPONDER + "edit/", form.edit, name="responder_edit"),
    path(RESPONDER + "switch/", responders.switch, name="responder_switch"),
    path(RESPONDER + "delete/", responders.delete, name="responder_delete"),
    path(RESPONDER + "test/", tester.test, name="responder_test"),
    path(RESPONDER + "journal/", journal.listing, name="responder_journal"),
    path(RESPONDER + "journal/file/", journal.export, name="journal_export"),
]

_sign_in = [
    path("invitation/<str:token>/", own.invitation, name="invitation"),
    path("sign-in/", account_views.login, name="account_login"),
    path("sign-in/code/", mfa_views.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey/", passkey_views.login_webauthn, name="mfa_login_webauthn"),
    path("sign-in/inactive/", account_views.account_inactive, name="account_inactive"),
    path("sign-out/", account_views.logout, name="account_logout"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("password/forgotten/", account_views.password_reset, name="account_reset_password"),
    path("password/sent/", account_views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/new/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account_views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/done/",
        account_views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]

_account = [
    path("account/", account.preferences, name="account"),
    path("account/programs/", access.programs, name="programs"),
    path("account/log/", account.log, name="account_log"),
    path("account/sessions/", account.sessions, name="usersessions_list"),
    path("account/password/", account_views.password_change, name="account_change_password"),
    path("account/confirm/", account_views.reauthenticate, name="account_reauthenticate"),
    path("account/confirm/code/", mfa_views.reauthenticate, name="mfa_reauthenticate"),
    path(
        "account/confirm/passkey/",
        passkey_views.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path("account/security/", mfa_views.index, name="mfa_index"),
    path("account/security/app/", totp_views.activate_totp, name="mfa_activate_totp"),
    path("account/security/app/remove/", totp_views.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "account/security/codes/", codes_views.view_recovery_codes, name="mfa_view_recovery_codes"
    ),
    path(
        "account/security/codes/make/",
        codes_views.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "account/security/codes/file/",
        codes_views.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("account/security/keys/", passkey_views.list_webauthn, name="mfa_list_webauthn"),
    path("account/security/keys/add/", passkey_views.add_webauthn, name="mfa_add_webauthn"),
    path(
        "account/security/keys/<int:pk>/edit/",
        passkey_views.edit_webauthn,
        name="mfa_edit_webauthn",
    ),
    path(
        "account/security/keys/<int:pk>/remove/",
        passkey_views.remove_webauthn,
        name="mfa_remove_webauthn",
    ),
]

_staff = [
    path("staff/act-as/<str:nic>/", act_as.start, name="act_as"),
    path("staff/back/", act_as.stop, name="act_as_end"),
    path("staff/store/mailbox/", site.admin_view(staff_mailboxes.listing), name="staff_mailboxes"),
    path(
        "staff/store/mailbox/add/", site.admin_view(staff_mailboxes.add), name="staff_mailbox_add"
    ),
    path(
        "staff/store/mailbox/<path:address>/change/",
        site.admin_view(staff_mailboxes.change),
        name="staff_mailbox_change",
    ),
    path(
        "staff/store/mailbox/<path:address>/delete/",
        site.admin_view(staff_mailboxes.delete),
        name="staff_mailbox_delete",
    ),
    path("staff/", site.urls),
]

urlpatterns = [*_emails, *_sign_in, *_account, *_staff]

"""The account: language and zone, open sessions, the audit log."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from allauth.usersessions.views import ListUserSessionsView
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from repondeur.hosting import audit, customers
from repondeur.hosting.audit import Action
from repondeur.hosting.listing import page
from repondeur.panel import signals
from repondeur.panel.forms.account import PreferencesForm
from repondeur.panel.middleware import spoken
from repondeur.panel.views.common import customer, page_number

PAGE_SIZE = 50

ACTIONS: dict[str, Promise] = {
    Action.SIGNED_IN: _("Signed in"),
    Action.SIGNED_OUT: _("Signed out"),
    Action.SIGN_IN_REFUSED: _("Sign-in refused: wrong password or code"),
    Action.PASSWORD_CHANGED: _("Password changed"),
    Action.PASSWORD_RESET: _("Password replaced through a link by e-mail"),
    Action.APP_ADDED: _("Authenticator app added"),
    Action.APP_REMOVED: _("Authenticator app removed"),
    Action.PASSKEY_ADDED: _("Passkey added"),
    Action.PASSKEY_REMOVED: _("Passkey removed"),
    Action.CODES_MADE: _("Recovery codes made"),
    Action.CODES_REMOVED: _("Recovery codes removed"),
    Action.SESSIONS_ENDED: _("Other sessions ended"),
    Action.ACCOUNT_CHANGED: _("Language or time zone changed"),
    Action.ACCESS_GIVEN: _("A program was let in"),
    Action.ACCESS_REFUSED: _("A program was not let in"),
    Action.ACCESS_TAKEN_BACK: _("A program’s access was taken back"),
    Action.TOKEN_MADE: _("Token made"),
    Action.TOKEN_REMOVED: _("Token removed"),
    Action.APPLICATION_MADE: _("Application registered"),
    Action.APPLICATION_REMOVED: _("Application removed"),
    Action.RESPONDER_ADD: _("Responder added"),
    Action.RESPONDER_CHANGE: _("Responder changed"),
    Action.RESPONDER_DELETE: _("Responder removed"),
    Action.MAILBOX_ADD: _("Mailbox added by your hoster"),
    Action.MAILBOX_CHANGE: _("Mailbox changed by your hoster"),
    Action.MAILBOX_DELETE: _("Mailbox removed by your hoster"),
    Action.DELEGATE_INVITED: _("Mailbox owner invited"),
    Action.DELEGATE_ACCEPTED: _("Invitation accepted"),
    Action.DELEGATE_WITHDRAWN: _("Mailbox owner’s access withdrawn"),
    Action.FROZEN: _("Blocked by your hoster"),
    Action.UNFROZEN: _("Unblocked by your hoster"),
    Action.STAFF_CAME: _("Your hoster’s support opened your pages"),
    Action.STAFF_LEFT: _("Your hoster’s support left your pages"),
}


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Language and time zone."""
    person = customer(request)
    form = PreferencesForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        if customers.change(
            person,
            language=values["language"],
            zone=values["zone"],
            reminders=values.get("reminders"),
        ):
            signals.write(request, person, Action.ACCOUNT_CHANGED)
        with translation.override(spoken(values["language"])):
            messages.success(request, gettext("Saved."))
        return redirect("account")
    return render(request, "panel/account/preferences.html", {"form": form})


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """Who did what, the newest first."""
    shown = page(audit.find(customer(request)), page_number(request), PAGE_SIZE)
    # During an upgrade a newer node may write what this one has no words for.
    lines = [{"event": one, "words": ACTIONS.get(one.action, one.action)} for one in shown.rows]
    return render(request, "panel/account/log.html", {"page": shown, "lines": lines})


class Sessions(ListUserSessionsView):
    """The open sessions; ending one or all others."""

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        chosen = request.POST.get("session", "")
        person = customer(request)
        if not chosen:
            signals.write(request, person, Action.SESSIONS_ENDED)
            messages.success(request, gettext("All other sessions are ended."))
            response: HttpResponse = super().post(request, *args, **kwargs)
            return response
        if chosen.isascii() and chosen.isdigit():
            found = UserSession.objects.filter(user=person, pk=int(chosen)).first()
            if found is not None and not found.is_current():
                found.end()
                signals.write(request, person, Action.SESSIONS_ENDED)
                messages.success(request, gettext("The session is ended."))
        return redirect("usersessions_list")


sessions = Sessions.as_view()

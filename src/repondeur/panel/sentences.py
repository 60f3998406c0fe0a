"""The service layer's errors in the reader's language, by their keys (hosting/errors.py)."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from repondeur.hosting.errors import HostingError

SENTENCES: dict[str, Promise] = {
    "several": _("Several fields need your attention."),
    # values
    "empty": _("Write something here."),
    "address": _("This is no e-mail address. Write it as name@example.org."),
    "local": _("Write only what stands before the @: letters, digits, dots and hyphens."),
    "domain": _("This is no domain name. Write it as example.org."),
    "nic": _("A customer ID has 2 to 32 letters, digits and hyphens."),
    "email": _("This is no e-mail address. Write it as name@example.org."),
    "control": _("There is an invisible character in this text (%(what)s). Type it anew."),
    "too-long": _("This is too long: %(length)s characters, at most %(limit)s are possible."),
    "too-many": _("There are %(count)s entries; at most %(limit)s are possible."),
    "zone": _("This time zone is not known. Choose one of the list."),
    "language": _("This language is not known. Choose one of the list."),
    "interval": _("Choose a time between nothing and 365 days."),
    "choice": _("Choose one of the answers of the list."),
    "when": _("This date does not exist."),
    "end-before-start": _("The end must come after the start."),
    "end-past": _("This end has passed. Choose a later one."),
    "copy-to-self": _("This is the responder’s own address: the message would turn in circles."),
    "copy-to-kept": _("You chose to keep no copy: leave this empty, or keep a copy."),
    "no-place-for-copy": _("A free responder has no mailbox: write the address that gets the "
                           "copies, or keep no copy."),
    "url": _("This is no web address. Write it as https://example.org."),
    "contact": _("“%(found)s” is neither an address nor a domain. Write name@example.org or "
                 "@example.org."),
    "password": _("This password cannot be used."),
    "password-hash": _("This value cannot be used."),
    "password-twice": _("This value is there twice."),
    "type": _("This value cannot be used."),
    "access-rule": _("This value cannot be used."),
    "double": _("This value is there twice."),
    "unknown-field": _("This value cannot be used."),
    # not there
    "no-customer": _("This account does not exist."),
    "no-domain": _("This domain does not exist."),
    "no-offer": _("This offer does not exist."),
    "no-mailbox": _("This mailbox does not exist."),
    "no-responder": _("This responder no longer exists: somebody has removed it."),
    "no-alias": _("This alias does not exist."),
    "no-application": _("This program is not known."),
    "no-credential": _("This access no longer exists."),
    "no-request": _("This request has been answered already, or it has expired."),
    "no-invitation": _("This invitation is no longer good."),
    "no-operation": _("This operation no longer exists."),
    "attached-needs-mailbox": _("There is no mailbox %(found)s. Choose one of the list."),
    "attached-is-alias": _("%(found)s is an alias of %(owner)s."),
    # there already
    "customer-exists": _("This account exists already."),
    "domain-exists": _("This domain exists already."),
    "mailbox-exists": _("This mailbox exists already."),
    "responder-exists": _("%(found)s has a responder already."),
    # contradictions
    "free-is-mailbox": _("%(found)s is a mailbox. Choose “for a mailbox” above, then pick it in "
                         "the list."),
    "alias-is-mailbox": _("%(found)s is a mailbox."),
    "alias-is-self": _("%(found)s is the mailbox itself."),
    "alias-taken": _("%(found)s is an alias of %(owner)s already."),
    "alias-customer": _("%(found)s is not one of your addresses."),
    "mailbox-is-alias": _("%(found)s is an alias of %(owner)s."),
    "mailbox-is-free": _("%(found)s has a free responder."),
    "customer-has-domains": _("This account still has domains."),
    "domain-has-entries": _("This domain still has mailboxes or responders."),
    "mailbox-has-responder": _("This mailbox still has a responder."),
    "domain-customer": _("This domain has aliases in your other domains."),
    "pending": _("Another change of this responder is under way. Wait a few seconds, then retry."),
    "changed-meanwhile": _("Somebody else has changed this responder since you opened this page."),
    # offers
    "mailbox-quota": _("Your offer has room for %(limit)s mailboxes."),
    "responder-quota": _("Your offer has room for %(limit)s responders. Remove one, or choose a "
                         "larger offer."),
    # frozen
    "frozen": _("This domain is blocked for the time being. Ask your hoster’s support."),
}  # fmt: skip


def sentence(error: HostingError) -> str:
    """What to tell the reader about `error`."""
    known = SENTENCES.get(error.key)
    if known is None:
        return gettext("This value cannot be used.")
    return str(known) % error.params

"""What the hoster's staff see and change: customers, offers, domains.

Changes go through the service layer. Mailboxes have pages of their own beside these
(views/staff_mailboxes.py); responders are seen and changed in the panel itself, by acting as their
customer (views/act_as.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.urls import path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView

from repondeur.hosting import addresses, customers, domains
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import HostingError
from repondeur.panel import signals
from repondeur.panel.sentences import sentence
from repondeur.panel.views.common import clock
from repondeur.store.models import Customer, Domain, Mailbox, Offer

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


# The store knows no languages: what staff read of its models is said here.
NAMES: Mapping[type[Model], tuple[StrOrPromise, StrOrPromise]] = {
    Customer: (_("customer"), _("customers")),
    Domain: (_("domain"), _("domains")),
    Offer: (_("offer"), _("offers")),
    Mailbox: (_("mailbox"), _("mailboxes")),
}
LABELS: Mapping[type[Model], Mapping[str, StrOrPromise]] = {
    Customer: {
        "nic": _("customer id"),
        "email": _("e-mail address"),
        "name": _("full name"),
        "language": _("language"),
        "zone": _("time zone"),
        "frozen": _("blocked"),
        "is_active": _("may sign in"),
        "is_staff": _("staff"),
    },
    Domain: {
        "name": _("domain"),
        "customer": _("customer"),
        "offer": _("offer"),
        "frozen": _("blocked"),
        "reply_sender": _("sender of the replies"),
        "mx": _("MX state"),
        "mx_found": _("MX servers found"),
        "mx_checked": _("MX checked on"),
    },
    Offer: {
        "name": _("offer"),
        "mailboxes": _("mailboxes at most"),
        "responders": _("responders at most"),
    },
}


MX_STATES: Mapping[str, StrOrPromise] = {
    Domain.MX.UNKNOWN: _("not known yet"),
    Domain.MX.VALID: _("yes"),
    Domain.MX.ELSEWHERE: _("no, elsewhere"),
}


def _name(model: type[Model]) -> None:
    options = model._meta
    options.verbose_name, options.verbose_name_plural = NAMES[model]
    for field, label in LABELS.get(model, {}).items():
        options.get_field(field).verbose_name = label  # type: ignore[union-attr] # columns, all


for _model in NAMES:
    _name(_model)
Domain._meta.app_config.verbose_name = _("Hosting")


class Site(admin.AdminSite):
    """Django's admin behind the panel's own sign-in; for others it is not there."""

    site_header = _("Staff")
    site_title = _("Staff")
    index_title = _("What do you want to see?")
    final_catch_all_view = True

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not self.has_permission(request):
                raise Http404
            return inner(request, *args, **kwargs)

        return guarded

    def get_urls(self) -> list[Any]:
        """Django's, where signing in and out and passwords are the panel's own pages."""
        own = {"login": "account_login", "logout": "account_logout",
               "password_change": "account_change_password"}  # fmt: skip
        kept = [one for one in super().get_urls() if getattr(one, "name", "") not in own]
        return [
            *(path(f"{name}/", RedirectView.as_view(pattern_name=to), name=name)
              for name, to in own.items()),
            *kept,
        ]  # fmt: skip

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Django's, and the pages of mailboxes beside it."""
        found: list[dict[str, Any]] = super().get_app_list(request, app_label)
        for app in found:
            if app["app_label"] == Mailbox._meta.app_label:
                app["models"].append({
                    "model": Mailbox,
                    "name": capfirst(Mailbox._meta.verbose_name_plural),
                    "object_name": Mailbox._meta.object_name,
                    "perms": {"add": True, "change": True, "delete": True, "view": True},
                    "admin_url": reverse("staff_mailboxes"),
                    "add_url": reverse("staff_mailbox_add"),
                    "view_only": False,
                })  # fmt: skip
                app["models"].sort(key=lambda model: str(model["name"]))
        return found


site = Site(name="staff")


if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
    _CustomerForm = forms.ModelForm[Customer]
    _DomainForm = forms.ModelForm[Domain]
else:
    _ModelAdmin = admin.ModelAdmin
    _CustomerForm = _DomainForm = forms.ModelForm


class _StaffAdmin(_ModelAdmin):
    """Staff may see and change; removing is for the command, which says what goes with it."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return site.has_permission(request)

    def has_view_permission(
        self,
        request: HttpRequest,
        obj: Model | None = None,  # noqa: ARG002 (Django's signature)
    ) -> bool:
        return site.has_permission(request)

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002 (Django's signature)
        obj: Model | None = None,  # noqa: ARG002 (Django's signature)
    ) -> bool:
        return False


def _checked(check: Callable[[str], str]) -> Callable[[forms.ModelForm[Any], str], str]:
    """A cleaning method for the field that the service layer checks with `check`."""

    def clean(form: forms.ModelForm[Any], name: str) -> str:
        try:
            return check(form.cleaned_data[name])
        except HostingError as error:
            raise ValidationError(sentence(error)) from error

    return clean


class CustomerForm(_CustomerForm):
    class Meta:
        model = Customer
        fields = ("nic", "email", "name", "language", "zone", "frozen", "is_active")

    def clean_nic(self) -> str:
        return _checked(customers.nic)(self, "nic")

    def clean_language(self) -> str:
        return _checked(addresses.language)(self, "language")

    def clean_zone(self) -> str:
        return _checked(addresses.zone)(self, "zone")

    def clean_name(self) -> str:
        return _checked(lambda text: addresses.display_name(text, customers.NAME_LENGTH))(
            self, "name"
        )


class DomainForm(_DomainForm):
    class Meta:
        model = Domain
        fields = ("name", "customer", "offer", "frozen", "reply_sender")

    def clean_name(self) -> str:
        return _checked(addresses.domain_name)(self, "name")

    def clean_reply_sender(self) -> str:
        return _checked(lambda text: addresses.joined(text, "reply_sender") if text else "")(
            self, "reply_sender"
        )


def _freeze(model_admin: Any, request: HttpRequest, rows: QuerySet[Any], frozen: bool) -> None:
    """Freeze or unfreeze customers or domains, and say so in their customers' log."""
    count = 0
    for row in rows:
        if isinstance(row, Customer):
            changed, owner = customers.change(row, frozen=frozen), row
        else:
            changed, owner = domains.change(row, frozen=frozen), row.customer
        if changed:
            count += 1
            action = Action.FROZEN if frozen else Action.UNFROZEN
            signals.write(request, owner, action, str(row))
    model_admin.message_user(request, _("Changed: %(count)s") % {"count": count}, messages.SUCCESS)


@admin.action(description=_("Block: no reply leaves"))
def freeze(model_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> None:
    _freeze(model_admin, request, rows, True)


@admin.action(description=_("Unblock"))
def unfreeze(model_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> None:
    _freeze(model_admin, request, rows, False)


@admin.register(Customer, site=site)
class CustomerAdmin(_StaffAdmin):
    form = CustomerForm
    list_display = ("nic", "email", "name", "frozen", "is_active", "is_staff")
    list_filter = ("frozen", "is_active", "is_staff")
    search_fields = ("nic", "email", "name")
    ordering = ("nic",)
    actions = (freeze, unfreeze)
    show_full_result_count = False

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 (Django's signature)
        obj: Model | None = None,
    ) -> list[str]:
        return ["nic"] if obj is not None else []

    def save_model(
        self, request: HttpRequest, obj: Customer, form: forms.ModelForm[Any], change: bool
    ) -> None:
        """As the commands do; a new customer chooses a password by the link of the sign-in page."""
        values = form.cleaned_data
        if not change:
            made, _new = customers.add(
                clock(), values["nic"], values["email"], values["name"],
                language=values["language"], zone=values["zone"],
            )  # fmt: skip
            obj.pk, obj.created = made.pk, made.created
        stored = Customer.objects.get(pk=obj.pk)
        was = stored.frozen
        customers.change(
            stored, email_=values["email"], name=values["name"], language=values["language"],
            zone=values["zone"], frozen=values["frozen"], active=values["is_active"],
        )  # fmt: skip
        if was != values["frozen"]:
            action = Action.FROZEN if values["frozen"] else Action.UNFROZEN
            signals.write(request, stored, action, stored.nic)


@admin.display(description=LABELS[Domain]["mx"], ordering="mx")
def mx_state(domain: Domain) -> str:
    return str(MX_STATES[domain.mx])


class MXFilter(admin.SimpleListFilter):
    """By the MX state, in the reader's language."""

    title = LABELS[Domain]["mx"]
    parameter_name = "mx"

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002 (Django's signature)
        model_admin: Any,  # noqa: ARG002 (Django's signature)
    ) -> list[tuple[str, StrOrPromise]]:
        return list(MX_STATES.items())

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 (Django's signature)
        rows: QuerySet[Any],
    ) -> QuerySet[Any]:
        return rows.filter(mx=self.value()) if self.value() else rows


@admin.register(Domain, site=site)
class DomainAdmin(_StaffAdmin):
    form = DomainForm
    list_display = ("name", "customer", "offer", "frozen", mx_state)
    list_filter = ("offer", "frozen", MXFilter)
    list_select_related = ("customer", "offer")
    search_fields = ("name", "customer__nic")
    autocomplete_fields = ("customer",)
    ordering = ("name",)
    actions = (freeze, unfreeze)
    show_full_result_count = False

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 (Django's signature)
        obj: Model | None = None,
    ) -> list[Any]:
        return ["name", mx_state, "mx_found", "mx_checked"] if obj is not None else []

    def save_model(
        self, request: HttpRequest, obj: Domain, form: forms.ModelForm[Any], change: bool
    ) -> None:
        values = form.cleaned_data
        if not change:
            made, _new = domains.add(
                clock(), values["name"], values["customer"], values["offer"].name
            )
            obj.pk, obj.created = made.pk, made.created
        stored = domains.get(values["name"] if not change else obj.name)
        was = stored.frozen
        try:
            domains.change(
                stored, customer=values["customer"], offer_=values["offer"].name,
                frozen=values["frozen"], reply_sender=values["reply_sender"],
            )  # fmt: skip
        except HostingError as error:
            self.message_user(request, sentence(error), messages.ERROR)
            return
        if was != values["frozen"]:
            action = Action.FROZEN if values["frozen"] else Action.UNFROZEN
            signals.write(request, stored.customer, action, stored.name)


@admin.register(Offer, site=site)
class OfferAdmin(_StaffAdmin):
    list_display = ("name", "mailboxes", "responders")
    ordering = ("id",)

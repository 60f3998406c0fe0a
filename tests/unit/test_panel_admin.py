"""What staff read in Django's admin has a name of ours, in each column and field."""

from __future__ import annotations

from tests.database import configure


def test_each_column_and_field_is_named() -> None:
    configure()
    from repondeur.panel.admin import LABELS, NAMES, site  # once Django is set up
    from repondeur.store.models import Mailbox

    assert set(LABELS) == set(site._registry)
    assert set(NAMES) == {*LABELS, Mailbox}
    for model, shown in site._registry.items():
        columns = {name for name in shown.list_display if isinstance(name, str)}
        fields = getattr(getattr(shown.form, "_meta", None), "fields", None) or ()
        assert columns | set(fields) <= set(LABELS[model])
        for name, label in LABELS[model].items():
            assert model._meta.get_field(name).verbose_name == label  # type: ignore[union-attr] # columns, all

"""The offers that an installation starts with; staff change them in the admin."""

from django.db import migrations

OFFERS = [("none", 0, 0), ("start", 5, 5), ("pro", 100, 100), ("unlimited", None, None)]


def seed(apps, schema_editor):
    Offer = apps.get_model("store", "Offer")
    for name, mailboxes, responders in OFFERS:
        Offer.objects.get_or_create(
            name=name, defaults={"mailboxes": mailboxes, "responders": responders}
        )


class Migration(migrations.Migration):
    dependencies = [("store", "0001_initial")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]

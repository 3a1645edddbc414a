"""Sessions that can be ended at once, and the table of the shared cache."""

from django.db import migrations, models

CACHE = """
CREATE TABLE consortium_cache (
    cache_key varchar(255) NOT NULL PRIMARY KEY,
    value text NOT NULL,
    expires timestamptz NOT NULL
);
CREATE INDEX consortium_cache_expires ON consortium_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("consortium", "0001_initial")]

    operations = [
        migrations.AddField("person", "sign_in_epoch", models.IntegerField(default=0, editable=False)),
        migrations.RunSQL(CACHE, reverse_sql="DROP TABLE consortium_cache"),
    ]

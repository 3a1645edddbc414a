import datetime

import django.contrib.auth.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import oauth2_provider.generators
import oauth2_provider.models
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Django cannot describe a partitioned table, so the SQL is here and the model only reads it.
# The identifier is a sequence and not an identity column, which partitions do not inherit before PostgreSQL 17.
ACCESS_EVENT = """
CREATE SEQUENCE consortium_accessevent_id_seq AS bigint;
CREATE TABLE consortium_accessevent (
    id bigint NOT NULL DEFAULT nextval('consortium_accessevent_id_seq'),
    at timestamptz NOT NULL DEFAULT now(),
    transaction bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    actor_id bigint NULL,
    organisation_id bigint NULL,
    compartment bigint NULL,
    request_id uuid NOT NULL,
    version integer NULL,
    matches integer NULL,
    type smallint NULL,
    actor_kind smallint NOT NULL,
    outcome smallint NOT NULL,
    interaction text NOT NULL,
    purpose text NOT NULL,
    resource_id text NULL,
    query text NULL,
    because text NULL,
    PRIMARY KEY (id, at),
    CONSTRAINT accessevent_actor_kind CHECK (actor_kind IN (1, 2, 3)),
    CONSTRAINT accessevent_outcome CHECK (outcome IN (0, 4, 8))
) PARTITION BY RANGE (at);
ALTER SEQUENCE consortium_accessevent_id_seq OWNED BY consortium_accessevent.id;
CREATE TABLE consortium_accessevent_default PARTITION OF consortium_accessevent DEFAULT;
CREATE INDEX accessevent_transaction ON consortium_accessevent (transaction);
CREATE INDEX accessevent_compartment ON consortium_accessevent (compartment, at) WHERE compartment IS NOT NULL;

CREATE FUNCTION consortium_accessevent_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'consortium_accessevent only grows: rows are neither changed nor deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON consortium_accessevent
    FOR EACH ROW EXECUTE FUNCTION consortium_accessevent_only_grows();
"""
DROP_ACCESS_EVENT = """
DROP TABLE consortium_accessevent;
DROP FUNCTION consortium_accessevent_only_grows();
"""


def create_months(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Partitions for this month and the two after it; consortium.audit.partitions keeps them coming."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    months = today.year * 12 + today.month - 1
    for month in range(months, months + 3):
        first = datetime.date(month // 12, month % 12 + 1, 1)
        last = datetime.date((month + 1) // 12, (month + 1) % 12 + 1, 1)
        schema_editor.execute(
            f"CREATE TABLE consortium_accessevent_{first:%Y_%m} PARTITION OF consortium_accessevent "
            f"FOR VALUES FROM ('{first} 00:00:00+00') TO ('{last} 00:00:00+00')"
        )


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(ACCESS_EVENT, reverse_sql=DROP_ACCESS_EVENT),
                migrations.RunPython(create_months, migrations.RunPython.noop),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="AccessEvent",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "id", "at", blank=True, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("id", models.BigIntegerField()),
                        ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        (
                            "actor_kind",
                            models.SmallIntegerField(choices=[(1, "person"), (2, "machine"), (3, "unknown")]),
                        ),
                        ("actor_id", models.BigIntegerField(null=True)),
                        ("organisation_id", models.BigIntegerField(null=True)),
                        ("interaction", models.TextField()),
                        ("type", models.SmallIntegerField(null=True)),
                        ("resource_id", models.TextField(null=True)),
                        ("version", models.IntegerField(null=True)),
                        ("compartment", models.BigIntegerField(null=True)),
                        ("query", models.TextField(null=True)),
                        ("matches", models.IntegerField(null=True)),
                        (
                            "outcome",
                            models.SmallIntegerField(choices=[(0, "permitted"), (4, "refused"), (8, "error")]),
                        ),
                        ("because", models.TextField(null=True)),
                        ("purpose", models.TextField()),
                        ("request_id", models.UUIDField()),
                        ("transaction", models.BigIntegerField(editable=False)),
                    ],
                    options={
                        "verbose_name": "access event",
                        "verbose_name_plural": "access events",
                        "db_table": "consortium_accessevent",
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "Somebody already has this username. Choose another."},
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "date_joined",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="joined",
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "person",
                "verbose_name_plural": "people",
            },
        ),
        migrations.CreateModel(
            name="AuditBatch",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("sealed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("cluster", models.BigIntegerField()),
                ("first_id", models.BigIntegerField()),
                ("last_id", models.BigIntegerField(null=True)),
                ("from_transaction", models.BigIntegerField()),
                ("until_transaction", models.BigIntegerField()),
                ("closing", models.BooleanField(default=False)),
                ("rows", models.IntegerField()),
                ("root", models.BinaryField(max_length=32)),
                ("statement", models.BinaryField()),
            ],
            options={
                "verbose_name": "audit batch",
                "verbose_name_plural": "audit batches",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("rows__gte", 0)), name="audit_batch_rows_not_negative")
                ],
            },
        ),
        migrations.CreateModel(
            name="Organisation",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("code", models.SlugField(max_length=80, unique=True, verbose_name="code")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("hospital", "hospital"),
                            ("pharmacy", "pharmacy"),
                            ("manufacturer", "manufacturer"),
                            ("wholesaler", "wholesaler"),
                            ("research_institute", "research institute"),
                            ("licensing_authority", "licensing authority"),
                            ("regulator", "regulator"),
                        ],
                        max_length=30,
                        verbose_name="kind",
                    ),
                ),
                ("runs_this_node", models.BooleanField(default=False, verbose_name="runs this node")),
            ],
            options={
                "verbose_name": "organisation",
                "verbose_name_plural": "organisations",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("runs_this_node", True)),
                        fields=("runs_this_node",),
                        name="one_organisation_runs_this_node",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Machine",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "client_id",
                    models.CharField(
                        db_index=True,
                        default=oauth2_provider.generators.generate_client_id,
                        max_length=255,
                        unique=True,
                        verbose_name="client ID",
                    ),
                ),
                (
                    "redirect_uris",
                    models.TextField(
                        blank=True,
                        help_text="Allowed URIs list, space separated",
                        verbose_name="redirect URIs",
                    ),
                ),
                (
                    "post_logout_redirect_uris",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Allowed Post Logout URIs list, space separated",
                        verbose_name="post logout redirect URIs",
                    ),
                ),
                (
                    "client_type",
                    models.CharField(
                        choices=[("confidential", "Confidential"), ("public", "Public")],
                        max_length=32,
                        verbose_name="client type",
                    ),
                ),
                (
                    "authorization_grant_type",
                    models.CharField(
                        choices=[
                            ("authorization-code", "Authorization code"),
                            ("urn:ietf:params:oauth:grant-type:device_code", "Device Code"),
                            ("implicit", "Implicit"),
                            ("password", "Resource owner password-based"),
                            ("client-credentials", "Client credentials"),
                            ("openid-hybrid", "OpenID connect hybrid"),
                        ],
                        max_length=44,
                        verbose_name="authorization grant type",
                    ),
                ),
                (
                    "client_secret",
                    oauth2_provider.models.ClientSecretField(
                        blank=True,
                        db_index=True,
                        default=oauth2_provider.generators.generate_client_secret,
                        help_text="Client secret for authentication",
                        max_length=255,
                        verbose_name="client secret",
                    ),
                ),
                ("hash_client_secret", models.BooleanField(default=True, verbose_name="hash client secret")),
                ("name", models.CharField(blank=True, max_length=255, verbose_name="name")),
                ("skip_authorization", models.BooleanField(default=False, verbose_name="skip authorization")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "algorithm",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "No OIDC support"),
                            ("RS256", "RSA with SHA-2 256"),
                            ("HS256", "HMAC with SHA-2 256"),
                        ],
                        default="",
                        max_length=5,
                        verbose_name="algorithm",
                    ),
                ),
                (
                    "allowed_origins",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Allowed origins list to enable CORS, space separated",
                        verbose_name="allowed origins",
                    ),
                ),
                (
                    "registration_source",
                    models.CharField(
                        choices=[
                            ("manual", "Manual"),
                            ("dcr", "Dynamic Client Registration"),
                            ("cimd", "Client ID Metadata Document"),
                        ],
                        default="manual",
                        help_text="How this application was registered (manual, DCR per RFC 7591, or CIMD)",
                        max_length=32,
                        verbose_name="registration source",
                    ),
                ),
                (
                    "cimd_expires_at",
                    models.DateTimeField(
                        blank=True,
                        default=None,
                        help_text="When the cached Client ID Metadata Document should be re-fetched",
                        null=True,
                        verbose_name="CIMD expires at",
                    ),
                ),
                ("purpose", models.CharField(default="TREAT", max_length=20, verbose_name="purpose of use")),
                ("allowed_scopes", models.TextField(verbose_name="allowed scopes")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="consortium.organisation",
                    ),
                ),
            ],
            options={
                "verbose_name": "machine",
                "verbose_name_plural": "machines",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CareTeam",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="care_team", to="auth.group"
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="care_teams",
                        to="consortium.organisation",
                    ),
                ),
            ],
            options={
                "verbose_name": "care team",
                "verbose_name_plural": "care teams",
            },
        ),
        migrations.CreateModel(
            name="RoleAssignment",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("clinician", "clinician"),
                            ("pharmacist", "pharmacist"),
                            ("researcher", "researcher"),
                            ("privacy_officer", "privacy officer"),
                            ("auditor", "auditor"),
                            ("node_administrator", "node administrator"),
                        ],
                        max_length=30,
                        verbose_name="role",
                    ),
                ),
                (
                    "assigned_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="assigned",
                    ),
                ),
                ("ended_at", models.DateTimeField(editable=False, null=True, verbose_name="ended")),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="role_assignments",
                        to="consortium.organisation",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="role_assignments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "role assignment",
                "verbose_name_plural": "role assignments",
            },
        ),
        migrations.AddConstraint(
            model_name="person",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_superuser", False)), name="person_is_never_superuser"
            ),
        ),
        migrations.AddConstraint(
            model_name="machine",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("authorization_grant_type", "client-credentials"),
                    ("client_type", "confidential"),
                    ("hash_client_secret", True),
                    ("user__isnull", True),
                ),
                name="machine_uses_client_credentials",
            ),
        ),
        migrations.AddConstraint(
            model_name="careteam",
            constraint=models.UniqueConstraint(fields=("organisation", "name"), name="care_team_name_in_organisation"),
        ),
        migrations.AddConstraint(
            model_name="roleassignment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("person", "role", "organisation"),
                name="role_held_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="roleassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "role__in",
                        [
                            "clinician",
                            "pharmacist",
                            "researcher",
                            "privacy_officer",
                            "auditor",
                            "node_administrator",
                        ],
                    )
                ),
                name="role_is_known",
            ),
        ),
    ]

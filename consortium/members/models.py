"""Who we are: people and their roles, organisations, care teams, and the machines that call the API."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication, ApplicationManager


class PersonManager(BaseUserManager["Person"]):
    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "Person":
        person = self.model(username=self.model.normalize_username(username), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in.

    A person has no powers of their own: roles say what they may do and care teams say for whom. Nobody is a
    superuser, because Django's flag of that name would walk past every object permission.
    """

    username = models.CharField(
        _("username"),
        max_length=150,
        unique=True,
        validators=[UnicodeUsernameValidator()],
        error_messages={"unique": _("Somebody already has this username. Choose another.")},
    )
    name = models.CharField(_("name"), max_length=200)
    email = models.EmailField(_("email"), blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    sign_in_epoch = models.IntegerField(default=0, editable=False)
    date_joined = models.DateTimeField(_("joined"), db_default=Now(), editable=False)

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="person_is_never_superuser", condition=models.Q(is_superuser=False)),
        ]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Ties sessions to the password, as Django does, and to `sign_in_epoch`, which ends them all when
        it moves.
        """
        return salted_hmac(
            "consortium.Person.session",
            f"{self.sign_in_epoch}:{self.password}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    def get_full_name(self) -> str:
        return self.name or self.username

    def get_short_name(self) -> str:
        return self.get_full_name()


class Organisation(models.Model):
    """A member of the consortium, or a part of one that we name. Exactly one of them runs this node."""

    class Kind(models.TextChoices):
        HOSPITAL = "hospital", _("hospital")
        PHARMACY = "pharmacy", _("pharmacy")
        MANUFACTURER = "manufacturer", _("manufacturer")
        WHOLESALER = "wholesaler", _("wholesaler")
        RESEARCH_INSTITUTE = "research_institute", _("research institute")
        LICENSING_AUTHORITY = "licensing_authority", _("licensing authority")
        REGULATOR = "regulator", _("regulator")

    code = models.SlugField(_("code"), max_length=80, unique=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=30, choices=Kind)
    runs_this_node = models.BooleanField(_("runs this node"), default=False)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                name="one_organisation_runs_this_node",
                fields=["runs_this_node"],
                condition=models.Q(runs_this_node=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CareTeam(models.Model):
    """People who treat the same patients. Its auth group is what patient compartments are granted to."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="care_teams")
    group = models.OneToOneField(Group, on_delete=models.PROTECT, related_name="care_team")
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("care team")
        verbose_name_plural = _("care teams")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="care_team_name_in_organisation", fields=["organisation", "name"]),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    CLINICIAN = "clinician", _("clinician")
    PHARMACIST = "pharmacist", _("pharmacist")
    RESEARCHER = "researcher", _("researcher")
    PRIVACY_OFFICER = "privacy_officer", _("privacy officer")
    AUDITOR = "auditor", _("auditor")
    NODE_ADMINISTRATOR = "node_administrator", _("node administrator")


class RoleAssignment(models.Model):
    """A role that a person has, or had, at an organisation. An ended one stays as history."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="role_assignments")
    role = models.CharField(_("role"), max_length=30, choices=Role)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="role_assignments")
    assigned_at = models.DateTimeField(_("assigned"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)

    class Meta:
        verbose_name = _("role assignment")
        verbose_name_plural = _("role assignments")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                name="role_held_once",
                fields=["person", "role", "organisation"],
                condition=models.Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(name="role_is_known", condition=models.Q(role__in=[r.value for r in Role])),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.role}"


class Machine(AbstractApplication):  # type: ignore[misc] # untyped library
    """A program that calls the API with client credentials, for an organisation and for one purpose."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    # The library's own field, of no use here: a machine acts for an organisation, never for a person.
    user = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True, editable=False, related_name="+")
    purpose = models.CharField(_("purpose of use"), max_length=20, default="TREAT")
    allowed_scopes = models.TextField(_("allowed scopes"))
    is_active = models.BooleanField(_("active"), default=True)

    objects: ClassVar[ApplicationManager] = ApplicationManager()

    class Meta(AbstractApplication.Meta):  # type: ignore[misc] # untyped library
        verbose_name = _("machine")
        verbose_name_plural = _("machines")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="machine_uses_client_credentials",
                condition=models.Q(
                    authorization_grant_type="client-credentials",
                    client_type="confidential",
                    hash_client_secret=True,
                    user__isnull=True,
                ),
            ),
        ]

    def is_usable(self, request: object) -> bool:
        """Asked by the token endpoint for every token."""
        return self.is_active

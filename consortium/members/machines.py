"""Secrets of machines."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class MachineSecretHasher(PBKDF2PasswordHasher):
    """For client secrets, and only for them.

    A slow hash protects what people choose. A client secret is 256 random bits that we made, so nobody
    guesses it from its hash, and a slow one would only let strangers keep the token endpoint busy.
    """

    algorithm = "machine_secret"
    iterations = 1000

"""Makes the node's private keys where they are missing, and says which public keys go with them."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from consortium.members.keys import KeyRefusal, create_missing_keys, load_log_signer


class Command(BaseCommand):
    help = "Make the node's private keys where they are missing (folder NODE_KEYS), and check them all."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = create_missing_keys(settings.NODE_KEYS)
            signer = load_log_signer(settings.NODE_KEYS, settings.NODE_LOG_ORIGIN)
        except KeyRefusal as refusal:
            raise CommandError(str(refusal)) from refusal
        for name in made:
            self.stdout.write(f"made     {name}")
        self.stdout.write(f"log key  {signer.public.digest.hex()}  {signer.origin}")
        if made:
            self.stdout.write("Back the folder up where nobody else can read it: a lost key cannot be made again.")

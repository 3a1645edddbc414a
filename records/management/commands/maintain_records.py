"""manage.py maintain_records: what the tables of records need from time to time."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from records.partitions import make_history_months


class Command(BaseCommand):
    help = "Makes the history's partitions for the coming year and flushes the search index. Run it once a month or more often."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reindex",
            action="store_true",
            help="also build the search index anew beside the old one: after a large import it becomes a good third smaller",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        made = make_history_months()
        with connection.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('records_current_tokens'::regclass)")
            row = cursor.fetchone()
            if options["reindex"]:
                cursor.execute("REINDEX INDEX CONCURRENTLY records_current_tokens")
        self.stdout.write(f"history: {len(made)} months made; index: {row[0] if row else 0} pages flushed")

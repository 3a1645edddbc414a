from django.db import migrations

# Lengths that no code path may get wrong; hashes do not compress, so tiles are stored as they are; and the
# outbox is a queue: its dead rows are cleaned by number, not by share of the table.
FORWARD = """
ALTER TABLE ledger_outbox ADD CONSTRAINT ledger_outbox_commitment CHECK (octet_length(commitment) = 32);
ALTER TABLE ledger_leaf ADD CONSTRAINT ledger_leaf_commitment CHECK (octet_length(commitment) = 32);
ALTER TABLE ledger_tile ADD CONSTRAINT ledger_tile_whole CHECK (
    octet_length(data) BETWEEN 32 AND 8192 AND octet_length(data) % 32 = 0);
ALTER TABLE ledger_tile ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE ledger_outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
ALTER TABLE ledger_tile SET (fillfactor = 50);
"""
BACKWARD = """
ALTER TABLE ledger_tile RESET (fillfactor);
ALTER TABLE ledger_outbox RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold);
ALTER TABLE ledger_tile ALTER COLUMN data SET STORAGE EXTENDED;
ALTER TABLE ledger_tile DROP CONSTRAINT ledger_tile_whole;
ALTER TABLE ledger_leaf DROP CONSTRAINT ledger_leaf_commitment;
ALTER TABLE ledger_outbox DROP CONSTRAINT ledger_outbox_commitment;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]

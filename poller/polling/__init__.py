"""One poll of one controller: what is due, collect, enrich, record; backfill and reconciliation."""

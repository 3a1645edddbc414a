"""The patient's room: FHIR records, who may read them, and the pages that show them."""

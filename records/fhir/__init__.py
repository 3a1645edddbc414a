"""FHIR R4: parsing exact bytes, validating, searching, storing and serving records.

The definitions, the JSON reader and the validation are free of Django, so that a client or a command can use them alone.
"""

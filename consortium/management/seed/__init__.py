"""Believable patients of our own making: ten years of care as FHIR R4 transactions, one outcome a seed.

Nobody here exists. Names are drawn from lists, numbers from a seeded generator, and the codes (SNOMED CT,
LOINC, ATC, ICD-10, CVX, UCUM) are used as facts about medicine.
"""

from consortium.management.seed.generator import Hospital, Transaction, transactions

__all__ = ["Hospital", "Transaction", "transactions"]

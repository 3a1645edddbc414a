"""What the portal's forms take, and how large it may be."""

from typing import Final

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ledger.evidence.form import MAX_EVIDENCE_BYTES

LARGEST_RECORD: Final = 16 * 1024 * 1024
LARGEST_CHECK: Final = MAX_EVIDENCE_BYTES + LARGEST_RECORD + 64 * 1024
"""Bytes of a whole request to check evidence: both files and what a form puts around them."""


class EvidenceForm(forms.Form):
    """An evidence file and, if the reader has it, the record."""

    evidence = forms.FileField(
        allow_empty_file=True, error_messages={"required": gettext_lazy("Choose an evidence file.")}
    )
    record = forms.FileField(required=False, allow_empty_file=True)

    def clean_evidence(self) -> bytes:
        return _bytes(self.cleaned_data["evidence"], MAX_EVIDENCE_BYTES)

    def clean_record(self) -> bytes | None:
        found = self.cleaned_data["record"]
        return None if found is None else _bytes(found, LARGEST_RECORD)


def _bytes(file: "UploadedFile[bytes]", largest: int) -> bytes:
    if (file.size or 0) > largest:
        raise forms.ValidationError(
            _("The file is larger than %(size)d KB. It cannot be the right one.") % {"size": largest // 1024},
            code="too-large",
        )
    content: bytes = file.read()
    return content

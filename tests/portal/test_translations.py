"""Every string in both languages, and the catalogue neither behind the code nor ahead of it."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings
from django.core.management import call_command
from django.utils import translation

from consortium.management.commands import translations

ROOT = Path(settings.BASE_DIR)
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%%")


@pytest.fixture(scope="module")
def current() -> Catalog:
    return translations.collected(ROOT)


def keys(catalogue):
    first = lambda id: id[0] if isinstance(id, list | tuple) else id  # noqa: E731
    return {(m.context, first(m.id)) for m in catalogue if m.id}


@pytest.fixture(params=translations.catalogues(ROOT), ids=lambda path: path.parts[-3])
def catalogue(request):
    return translations.read(request.param)


def test_there_is_a_catalogue_for_each_language_but_the_source():
    languages = {translation.to_locale(code) for code, _name in settings.LANGUAGES} - {"en"}
    assert {path.parts[-3] for path in translations.catalogues(ROOT)} == languages


def test_every_string_is_translated(catalogue, current):
    missing = keys(current) - keys(catalogue)
    assert not missing, "run manage.py translations extract, then translate"
    assert not [m.id for m in translations.untranslated(catalogue)]


def test_no_translation_is_of_a_string_that_is_gone(catalogue, current):
    assert not keys(catalogue) - keys(current), "run manage.py translations extract"


def test_translations_keep_the_placeholders_of_the_source(catalogue):
    for message in catalogue:
        if not message.id:
            continue
        plural = isinstance(message.id, list | tuple)
        wanted = set(PLACEHOLDER.findall(message.id[-1] if plural else message.id))
        for form in message.string if plural else [message.string]:
            assert set(PLACEHOLDER.findall(form)) == wanted, message.id


def test_the_catalogue_is_written_as_extraction_writes_it(current):
    for path in translations.catalogues(ROOT):
        assert path.read_bytes() == translations.as_po(translations.updated(translations.read(path), current))


def test_strings_are_found_in_code_and_templates_with_context_and_plural(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "records" / "a.py").write_text(
        'x = _("one" " two")\ny = ngettext("%(n)d cat", "%(n)d cats", n)\nz = pgettext_lazy("ctx", "Name")\nw = _(x)\n'
    )
    (tmp_path / "templates" / "a.html").write_text(
        "{% load i18n %}\n   <p>{% translate 'three' %}</p>\n{% blocktranslate trimmed with a=b %}\n  four {{ a }}\n"
        "{% endblocktranslate %}{{ x|default:_('five') }}"
        "{% blocktranslate count n=n %}{{ n }} dog{% plural %}{{ n }} dogs{% endblocktranslate %}"
    )
    found = translations.collected(tmp_path)
    assert keys(found) == {
        (None, "one two"),
        (None, "%(n)d cat"),
        ("ctx", "Name"),
        (None, "three"),
        (None, "four %(a)s"),
        (None, "five"),
        (None, "%(n)s dog"),
    }


def test_a_compiled_catalogue_is_what_django_reads(tmp_path):
    folder = tmp_path / "zh_Hans" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_bytes(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Patients"\nmsgstr "病人"\n'.encode()
    )
    compiled = translations.compile_catalogue(folder / "django.po")
    assert compiled.read_bytes()[:4] in {b"\xde\x12\x04\x95", b"\x95\x04\x12\xde"}


def test_the_command_compiles_every_catalogue(capsys):
    call_command("translations", "compile")
    assert "zh_Hans: compiled" in capsys.readouterr().out
    assert all(path.with_suffix(".mo").exists() for path in translations.catalogues(ROOT))

"""The form in which a record's bytes lie in the database: JSON as it is, or packed with FHIR's own words.

The first byte says which. JSON begins with a brace or with white space, so what begins like that lies there as it is. Otherwise
`AS_IS` stands before bytes that are kept, and `FHIR_1` before raw deflate (RFC 1951) whose preset dictionary is the first list
of words. A list is never changed, for what was packed with it could no longer be read: a better one gets a number of its own,
here and in a migration that teaches the database to read it.

Only blocks of the fixed code are written, because the database has a reader of its own (`reader_sql`): an operator reads a
record with it, and the sorting of codes does. Large records are left to the database's own compression.
"""

import functools
import logging
import zlib
from typing import Final

from .packing_words import FHIR_WORDS_1

AS_IS: Final = b"\x00"
FHIR_1: Final = b"\x01"

LARGEST: Final = 32 * 1024
"""Bytes: a larger record is not packed, and nothing that is packed may become larger."""

_JSON_BEGINS: Final = frozenset(b"{ \t\r\n")
_LEVEL: Final = 6
_WINDOW: Final = -15  # negative: without zlib's own header and checksum; the log vouches for the bytes

_log = logging.getLogger(__name__)


class Damaged(ValueError):
    """Stored bytes that are of no known form, or do not unpack. `code` is stable."""

    code: Final = "stored-bytes-damaged"


def pack(data: bytes) -> bytes:
    """The form in which `data` is stored: never longer than one byte more. Nothing stays nothing."""
    if not data:
        return b""
    kept = data if data[0] in _JSON_BEGINS else AS_IS + data
    if len(data) > LARGEST:
        return kept
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, 9, zlib.Z_FIXED, FHIR_WORDS_1)
    packed = FHIR_1 + packer.compress(data) + packer.flush()
    return packed if len(packed) < len(kept) else kept


def unpack(stored: bytes) -> bytes:
    """The bytes that were packed. Raises Damaged."""
    if not stored or stored[0] in _JSON_BEGINS:
        return stored
    form = stored[:1]
    if form == AS_IS:
        return stored[1:]
    if form != FHIR_1:
        raise Damaged(f"The stored bytes begin with {form.hex()}, which no form does: restore the record from a back-up.")
    unpacker = zlib.decompressobj(_WINDOW, FHIR_WORDS_1)
    try:
        data = unpacker.decompress(stored[1:], LARGEST + 1)
    except zlib.error as error:
        raise Damaged(f"The stored bytes do not unpack ({error}): restore the record from a back-up.") from error
    if len(data) > LARGEST:
        raise Damaged("The stored bytes unpack to more than was ever packed: restore the record from a back-up.")
    if not unpacker.eof or unpacker.unused_data:
        raise Damaged("The stored bytes end too early or too late: restore the record from a back-up.")
    return data


def opened(stored: bytes) -> bytes:
    """The same for readers: what was damaged is handed on as it lies there, and said in the node's log.

    One damaged record must not hide a patient's others. It is never taken for sound: no proof matches its bytes.
    """
    try:
        return unpack(stored)
    except Damaged as error:
        _log.error("%s: %s", error.code, error)
        return stored


# --- The database's own reader ---------------------------------------------------------------------------------------

_READER: Final = """
CREATE FUNCTION records_unpacked(stored bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $reader$
DECLARE
    words CONSTANT bytea := '\\x{words}';
    codes CONSTANT int[] := '{{{codes}}}';  -- the next nine bits: symbol * 16 + bits used
    distances CONSTANT int[] := '{{{distances}}}';  -- the next five bits: the distance's symbol
    length_base CONSTANT int[] := '{{3,4,5,6,7,8,9,10,11,13,15,17,19,23,27,31,35,43,51,59,67,83,99,115,131,163,195,227,258}}';
    length_bits CONSTANT int[] := '{{0,0,0,0,0,0,0,0,1,1,1,1,2,2,2,2,3,3,3,3,4,4,4,4,5,5,5,5,0}}';
    distance_base CONSTANT int[] := '{{1,2,3,4,5,7,9,13,17,25,33,49,65,97,129,193,257,385,513,769,1025,1537,2049,3073,4097,6145,8193,12289,16385,24577}}';
    distance_bits CONSTANT int[] := '{{0,0,0,0,1,1,2,2,3,3,4,4,5,5,6,6,7,7,8,8,9,9,10,10,11,11,12,12,13,13}}';
    size int := length(stored);
    made bytea;
    made_size int;
    at int := 1;
    bits bigint := 0;
    have int := 0;
    final boolean;
    kind int;
    entry int;
    symbol int;
    run int;
    back int;
    piece bytea;
BEGIN
    IF size = 0 OR get_byte(stored, 0) IN (123, 32, 9, 13, 10) THEN RETURN stored; END IF;
    IF get_byte(stored, 0) = 0 THEN RETURN substring(stored FROM 2); END IF;
    IF get_byte(stored, 0) <> 1 THEN RAISE EXCEPTION 'stored-bytes-damaged: no form begins so'; END IF;
    made := words;
    made_size := length(words);
    LOOP
        WHILE have < 32 AND at < size LOOP
            bits := bits | (get_byte(stored, at)::bigint << have);
            at := at + 1;
            have := have + 8;
        END LOOP;
        final := (bits & 1) = 1;
        kind := (bits >> 1) & 3;
        bits := bits >> 3;
        have := have - 3;
        IF kind = 0 AND have >= 0 THEN
            at := at - have / 8;
            IF at + 4 > size THEN RAISE EXCEPTION 'stored-bytes-damaged: too short'; END IF;
            run := get_byte(stored, at) | (get_byte(stored, at + 1) << 8);
            IF at + 4 + run > size OR run <> 65535 - (get_byte(stored, at + 2) | (get_byte(stored, at + 3) << 8)) THEN
                RAISE EXCEPTION 'stored-bytes-damaged: too short';
            END IF;
            made := made || substring(stored FROM at + 5 FOR run);
            made_size := made_size + run;
            at := at + 4 + run;
            bits := 0;
            have := 0;
        ELSIF kind = 1 THEN
            LOOP
                WHILE have < 32 AND at < size LOOP
                    bits := bits | (get_byte(stored, at)::bigint << have);
                    at := at + 1;
                    have := have + 8;
                END LOOP;
                entry := codes[(bits & 511) + 1];
                symbol := entry >> 4;
                bits := bits >> (entry & 15);
                have := have - (entry & 15);
                IF have < 0 THEN RAISE EXCEPTION 'stored-bytes-damaged: too short'; END IF;
                IF symbol < 256 THEN
                    made := made || set_byte('\\x00', 0, symbol);
                    made_size := made_size + 1;
                ELSIF symbol = 256 THEN
                    EXIT;
                ELSE
                    IF symbol > 285 THEN RAISE EXCEPTION 'stored-bytes-damaged: no such length'; END IF;
                    kind := length_bits[symbol - 256];
                    run := length_base[symbol - 256] + (bits & ((1 << kind) - 1))::int;
                    bits := bits >> kind;
                    have := have - kind;
                    symbol := distances[(bits & 31) + 1] + 1;
                    IF symbol > 30 THEN RAISE EXCEPTION 'stored-bytes-damaged: no such distance'; END IF;
                    kind := distance_bits[symbol];
                    back := distance_base[symbol] + ((bits >> 5) & ((1 << kind) - 1))::int;
                    bits := bits >> (kind + 5);
                    have := have - kind - 5;
                    IF have < 0 OR back > made_size THEN RAISE EXCEPTION 'stored-bytes-damaged: too far back'; END IF;
                    piece := substring(made FROM made_size - back + 1 FOR run);
                    WHILE length(piece) < run LOOP
                        piece := substring(piece || piece FROM 1 FOR run);
                    END LOOP;
                    made := made || piece;
                    made_size := made_size + run;
                END IF;
                IF made_size > length(words) + {largest} THEN RAISE EXCEPTION 'stored-bytes-damaged: too long'; END IF;
            END LOOP;
        ELSE
            RAISE EXCEPTION 'stored-bytes-damaged: no such block';
        END IF;
        EXIT WHEN final;
    END LOOP;
    IF at - have / 8 <> size OR made_size > length(words) + {largest} THEN
        RAISE EXCEPTION 'stored-bytes-damaged: of another length';
    END IF;
    RETURN substring(made FROM length(words) + 1);
END $reader$;
"""


@functools.cache
def reader_sql() -> str:
    """The statement that makes `records_unpacked(bytea) -> bytea`, which reads what `pack` wrote, in plain PostgreSQL."""
    codes = [0] * 512
    for symbol in range(288):
        if symbol < 144:
            code, used = 0x30 + symbol, 8
        elif symbol < 256:
            code, used = 0x190 + symbol - 144, 9
        elif symbol < 280:
            code, used = symbol - 256, 7
        else:
            code, used = 0xC0 + symbol - 280, 8
        # Bits come lowest first, codes highest first; bits that come after a short code may be anything.
        for after in range(1 << (9 - used)):
            codes[_reversed(code, used) | (after << used)] = symbol * 16 + used
    return _READER.format(
        words=FHIR_WORDS_1.hex(),
        codes=",".join(map(str, codes)),
        distances=",".join(str(_reversed(symbol, 5)) for symbol in range(32)),
        largest=LARGEST,
    )


def _reversed(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)

"""SASLprep (RFC 4013) as PostgreSQL does it: a password that it refuses is taken as it is.

Prohibited characters are looked for before the text is normalized, as in
https://github.com/postgres/postgres/blob/REL_18_STABLE/src/common/saslprep.c
"""

import stringprep
import unicodedata

PROHIBITED = (
    *(stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4),
    *(stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8),
    *(stringprep.in_table_c9, stringprep.in_table_a1),  # A.1: not assigned in Unicode 3.2
)


def saslprep(password: str) -> bytes:
    """The password as it is hashed."""
    mapped = "".join(
        " " if stringprep.in_table_c12(each) else each
        for each in password
        if stringprep.in_table_c12(each) or not stringprep.in_table_b1(each)
    )
    if not mapped or any(refuses(each) for refuses in PROHIBITED for each in mapped) or not _is_one_direction(mapped):
        return password.encode()
    return unicodedata.normalize("NFKC", mapped).encode()


def _is_one_direction(text: str) -> bool:
    """Whether text with right-to-left letters has no others, and begins and ends with one (RFC 3454, 6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    has_left_to_right = any(map(stringprep.in_table_d2, text))
    return not has_left_to_right and stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])

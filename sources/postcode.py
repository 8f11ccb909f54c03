"""The form of a UK postcode.

Sources: Royal Mail's Postcode Address File programmers' guide (outward code: A9, A99, A9A, AA9, AA99 or AA9A;
inward code: 9AA), and the two historic exceptions in the ONS Postcode Directory: GIR 0AA and Newport's NPT.
Letters are not judged beyond their place, so that the NHS pseudo-postcodes (ZZ99 3VZ) have the form of one.
"""

import re

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters with the Unicode property White_Space."""

FORM = re.compile(r"((?:[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT))([0-9][A-Z]{2})", re.ASCII)

_SPACES = re.compile(f"[{WHITE_SPACE}]+")
_CONFUSED = ({"0": "O", "1": "I", "5": "S", "8": "B"}, {"O": "0", "I": "1", "L": "1", "S": "5", "B": "8"})


def normalise(text: str | None) -> str | None:
    """Return the postcode in `text` as ONS writes it ("SW1A 1AA"), or None where `text` is not the form of one.

    Any case and any Unicode white space anywhere are accepted; nothing else is forgiven.
    """
    match = _match(text)
    return f"{match[1]} {match[2]}" if match else None


def key(text: str | None) -> str | None:
    """Return what to look for in a table of postcodes: for a postcode what `normalise` gives, in a third of the time.

    For what is none it is None or a text that has not the form of one, so no table has it.
    """
    if text is None:
        return None
    packed = text.replace(" ", "")
    if packed.isascii() and packed.isalnum():
        packed = packed.upper()
        return f"{packed[:-3]} {packed[-3:]}"
    return normalise(text)


def problem(text: str | None) -> str | None:
    """Return None where `text` has the form of a postcode, otherwise a sentence that says why not."""
    if _match(text):
        return None
    packed = _packed(text)
    if not packed:
        return "No postcode was given."
    shown = _shown(_SPACES.sub(" ", str(text)).strip(" "))
    if not packed.isascii() or not packed.isalnum():
        stranger = next(c for c in packed if not (c.isascii() and c.isalnum()))
        return f"{shown} is not a postcode: {_named(stranger)} is neither a letter A to Z nor a digit."
    if not 5 <= len(packed) <= 7:
        return f"{shown} is not a postcode: it has {len(packed)} letters and digits, a postcode has 5 to 7."
    if re.fullmatch("[A-Z]{1,2}[0-9]{1,2}[A-Z]?", packed.upper()):
        return (
            f"{shown} is not a postcode: its last three are not a digit and two letters (it may lack its second half)."
        )
    hint = near_miss(text)
    return f"{shown} does not have the form of a postcode, such as SW1A 1AA or M1 1AE." + (
        f" {hint} would have." if hint else ""
    )


def near_miss(text: str | None) -> str | None:
    """Return the only postcode form that one swap of look-alike letters and digits makes of `text`, if there is one."""
    packed, (to_letter, to_digit) = _packed(text).upper(), _CONFUSED
    swaps = {
        packed[:i] + table[c] + packed[i + 1 :]
        for i, c in enumerate(packed)
        for table in (to_letter, to_digit)
        if c in table
    }
    forms = [m for m in map(FORM.fullmatch, sorted(swaps)) if m]
    return f"{forms[0][1]} {forms[0][2]}" if len(forms) == 1 else None


def _packed(text: str | None) -> str:
    return "" if text is None else _SPACES.sub("", str(text))


def _match(text: str | None) -> re.Match[str] | None:
    packed = _packed(text)
    return FORM.fullmatch(packed.upper()) if packed.isascii() else None


def _shown(text: str) -> str:
    return "'" + "".join(c if c.isprintable() else "?" for c in text[:12]) + ("…'" if len(text) > 12 else "'")


def _named(character: str) -> str:
    return f"'{character}'" if character.isprintable() else f"the character U+{ord(character):04X}"

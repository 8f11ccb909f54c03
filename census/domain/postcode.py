"""Recognise UK postcodes by their format, and write them as ONS does.

Sources: Royal Mail's Postcode Address File programmers' guide (outward code: A9, A99, A9A, AA9, AA99 or AA9A;
inward code: 9AA), and the two historic exceptions in the ONS Postcode Directory: GIR 0AA and Newport's NPT.
Letters are not judged beyond their place, so that the NHS pseudo-postcodes (ZZ99 3VZ) have the form of one.
"""

import json
import re

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters with the Unicode property White_Space."""

_IGNORABLE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
INVISIBLE = "".join(chr(code) for first, last in _IGNORABLE for code in range(first, last + 1))
"""The characters with the Unicode property Default_Ignorable_Code_Point: zero width spaces and joiners, soft hyphens,
byte order marks, marks of direction, variation selectors. What is copied from a page or a PDF may hold them."""

_OUTWARD = re.compile("(?:[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT)", re.ASCII)
FORM = re.compile(rf"({_OUTWARD.pattern})([0-9][A-Z]{{2}})", re.ASCII)

_SPACES = re.compile(f"[{WHITE_SPACE}]+")
_WITHOUT_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))
_NO_PART = re.compile(f"[{WHITE_SPACE}{''.join(f'{chr(first)}-{chr(last)}' for first, last in _IGNORABLE)}]+")
_TO_LETTERS = {"0": "O", "1": "IL", "2": "Z", "5": "S", "6": "G", "8": "B"}
LOOK_ALIKES = _TO_LETTERS | {"O": "0", "I": "1L", "L": "1I", "Z": "2", "S": "5", "G": "6", "B": "8"}
"""What each letter and digit is taken for."""


def normalise(text: str | None) -> str | None:
    """Return the postcode in `text` as ONS writes it ("SW1A 1AA"), or None where `text` is not the form of one.

    Any case, white space and invisible marks anywhere are accepted; nothing else is forgiven.
    """
    match = _match(text)
    return f"{match[1]} {match[2]}" if match else None


def key(text: str | None) -> str | None:
    """Return the key to search a table of postcodes for: of a postcode what `normalise` gives, in a third of the time.

    Of any other text it is None, or a text that is not a valid postcode, so no table has it.
    """
    if text is None:
        return None
    packed = text.replace(" ", "")
    if packed.isascii() and packed.isalnum():
        packed = packed.upper()
        return f"{packed[:-3]} {packed[-3:]}"
    return normalise(text)


def problem(text: str | None) -> str | None:
    """Return None where `text` is in the format of a postcode, otherwise a sentence that says why not."""
    if _match(text):
        return None
    packed = pack(text)
    if not packed:
        return "No postcode was given."
    shown = _shown(_SPACES.sub(" ", str(text).translate(_WITHOUT_INVISIBLE)).strip(" "))
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
    return f"{shown} is not in a valid postcode format, such as SW1A 1AA or M1 1AE." + (
        f" {hint} would be." if hint else ""
    )


def near_miss(text: str | None) -> str | None:
    """Return the only postcode form that one swap of look-alike letters and digits makes of `text`, if there is one."""
    forms = look_alikes(text)
    return forms[0] if len(forms) == 1 else None


def look_alikes(text: str | None) -> list[str]:
    """Return each postcode form that one swap of look-alike letters and digits makes of `text`, sorted.

    `text` may be in the format of a postcode itself. Which of these forms are postcodes, only a directory knows.
    """
    packed = pack(text)
    if not packed.isascii() or not 5 <= len(packed) <= 7:
        return []
    packed = packed.upper()
    swaps = (packed[:i] + other + packed[i + 1 :] for i, c in enumerate(packed) for other in LOOK_ALIKES.get(c, ""))
    return sorted(f"{m[1]} {m[2]}" for m in map(FORM.fullmatch, swaps) if m)


def beginnings(text: str | None) -> list[str]:
    """Return what the postcodes begin with of which `text` is an outward code ("M13 ") or a sector ("M1 3"), or both.

    A space that stands where the two parts meet decides which of them it is.
    """
    shown = _SPACES.sub(" ", str(text or "").translate(_WITHOUT_INVISIBLE)).strip(" ").upper()
    outward, space, digit = shown.partition(" ")
    if not space:
        outward, digit = shown[:-1], shown[-1:]
    sector = [f"{outward} {digit}"] if _OUTWARD.fullmatch(outward) and re.fullmatch("[0-9]", digit) else []
    return [f"{shown} ", *sector] if _OUTWARD.fullmatch(shown) else sector


def pack(text: str | None) -> str:
    """Return `text` without its white space and invisible marks."""
    return "" if text is None else _NO_PART.sub("", str(text))


def _match(text: str | None) -> re.Match[str] | None:
    packed = pack(text)
    return FORM.fullmatch(packed.upper()) if packed.isascii() else None


def _shown(text: str) -> str:
    return "'" + "".join(c if c.isprintable() else "?" for c in text[:12]) + ("…'" if len(text) > 12 else "'")


def _named(character: str) -> str:
    return f"'{character}'" if character.isprintable() else f"the character U+{ord(character):04X}"


def _as_json(text: str | None) -> str:
    return json.dumps(look_alikes(text))


FUNCTIONS = {
    "normalise_postcode": normalise,
    "postcode_problem": problem,
    "postcode_look_alikes": _as_json,
}
"""What SQL may call, by name, with one argument."""

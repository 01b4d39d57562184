"""The rules as they are shipped, in shorter times: what takes hours is seen in seconds.

Every range and every `for:` is divided by 30, and no `for:` is longer than 5 s. The limit of a watermark's age
is 5 s, too. What a rule asks, and every other figure in it, is as shipped.
"""

import re

_DIVISOR = 30
_LONGEST = 5  # s, of a `for:`
_AGE = "extraction_watermark_lag_seconds) > "
_UNITS = {"s": 1, "m": 60, "h": 3600}


def scaled(rules: str) -> str:
    """The text of a file of rules, with these replacements."""
    rules, count = re.subn(re.escape(_AGE) + r"\d+", _AGE + "5", rules)
    assert count == 1, "there is no limit of a watermark's age"
    rules = re.sub(r"\[(\d+)([smh])\]", lambda found: f"[{_short(found)}ms]", rules)
    return re.sub(r"for: (\d+)([smh])", lambda found: f"for: {min(_short(found), _LONGEST * 1000)}ms", rules)


def _short(found: re.Match[str]) -> int:
    """In milliseconds."""
    return int(found[1]) * _UNITS[found[2]] * 1000 // _DIVISOR

"""Checks the sums that a case's README works out: every line of its ```sum blocks.

    label: 32 x 1945 s = 62240 vCPU s; 62240 x 0.0416 / 3600 = 0.7192... -> 0.72

All sides of `=` must be equal, exactly; a number that ends in `...` is cut, not rounded. What follows
`->` is the side before it, rounded to the decimals shown: halves either way, since the tariff's rule
decides them. Words are units and are passed over.
"""

import re
from fractions import Fraction

TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)(\.\.\.)?(%)?|([-+/()^])|(x)(?![\w-])|([A-Za-z][\w-]*)|(.))")


class Sum(ValueError):
    pass


def value(text):
    """(exact value, decimals after which a cut number was cut or None)."""
    code, cut, numbers = [], None, 0
    for number, dots, percent, operator, times, _, other in TOKEN.findall(text):
        if other.strip():
            raise Sum(f"cannot read {other!r} in {text!r}")
        if number:
            numbers += 1
            code.append(f"Fraction('{number}')" + ("/100" if percent else ""))
            if dots:
                cut = len(number.partition(".")[2])
        elif operator:
            code.append("**" if operator == "^" else operator)
        elif times:
            code.append("*")
    if cut is not None and numbers > 1:
        raise Sum(f"a cut number cannot be computed with: {text!r}")
    try:
        return Fraction(eval("".join(code), {"Fraction": Fraction})), cut
    except (SyntaxError, TypeError) as error:
        raise Sum(f"cannot read {text!r}") from error


def check_chain(chain):
    *equal, last = chain.split("->") if "->" in chain else (chain, None)
    sides = [value(side) for side in "".join(equal).split("=")]
    first = sides[0][0]
    for side, (found, cut) in zip("".join(equal).split("="), sides):
        same = found == first if cut is None else 0 <= first - found < Fraction(1, 10**cut)
        if not same:
            raise Sum(f"{side.strip()!r} is not {first} in {chain.strip()!r}")
    if last is not None:
        decimals = len(last.strip().split(" ")[0].partition(".")[2])
        if abs(value(last)[0] - first) > Fraction(1, 2 * 10**decimals):
            raise Sum(f"{last.strip()!r} is not {float(first)} rounded")


def mistakes(readme):
    for block in re.findall(r"```sum\n(.*?)```", readme, re.DOTALL):
        for line in filter(str.strip, block.splitlines()):
            for chain in line.partition(":")[2].split(";"):
                try:
                    check_chain(chain)
                except Sum as error:
                    yield f"README.md: {error}"

"""Numeric functions (table 72): rounding to a scale, modulo, roots and powers of e, odd and even."""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)

from engine.feel.builtins.registry import Nothing, builtin
from engine.feel.moments import DaysTime, YearsMonths
from engine.feel.values import NUMBERS

#: wide enough for every scale that is allowed
WIDE = Context(prec=12_400, Emin=-13_000, Emax=13_000, traps=[])
MOST_SCALE, LEAST_SCALE = 6176, -6111


def rounded(value: Decimal, scale: Decimal, rounding: str) -> Decimal:
    """The value with `scale` digits behind the point (before it, when negative)."""
    if scale != scale.to_integral_value():
        scale = scale.to_integral_value(ROUND_DOWN)
    if not LEAST_SCALE <= scale <= MOST_SCALE:
        raise Nothing("The scale lies outside -6111..6176.")
    if value.as_tuple().exponent >= -int(scale):
        return value
    return NUMBERS.plus(value.quantize(Decimal((0, (1,), -int(scale))), rounding=rounding, context=WIDE))


def rounding_function(name: str, rounding: str, default: bool = False) -> None:
    @builtin(f"{name}(n: n, scale: n{'?' if default else ''})")
    def body(_run, value: Decimal, scale: Decimal | None = None) -> Decimal:
        return rounded(value, Decimal(0) if scale is None else scale, rounding)


rounding_function("decimal", ROUND_HALF_EVEN)
rounding_function("floor", ROUND_FLOOR, True)
rounding_function("ceiling", ROUND_CEILING, True)
rounding_function("round up", ROUND_UP)
rounding_function("round down", ROUND_DOWN)
rounding_function("round half up", ROUND_HALF_UP)
rounding_function("round half down", ROUND_HALF_DOWN)


@builtin("abs(n: q)")
def absolute(_run, value: Decimal | DaysTime | YearsMonths):
    if isinstance(value, Decimal):
        return value.copy_abs()
    size = value.nanos if isinstance(value, DaysTime) else value.months
    return value if size >= 0 else -value


@builtin("modulo(dividend: n, divisor: n)")
def modulo(_run, dividend: Decimal, divisor: Decimal) -> Decimal:
    """dividend - divisor * floor(dividend / divisor)."""
    if divisor == 0:
        raise Nothing("Nothing can be divided by zero.")
    if dividend.adjusted() - divisor.adjusted() > 6000:
        raise Nothing("The dividend is too large.")
    rest = WIDE.remainder(dividend, divisor)
    if rest != 0 and (rest < 0) != (divisor < 0):
        rest = WIDE.add(rest, divisor)
    return NUMBERS.plus(rest)


@builtin("sqrt(number: n)")
def square_root(_run, value: Decimal) -> Decimal:
    if value < 0:
        raise Nothing("A negative number has no root.")
    return NUMBERS.sqrt(value)


@builtin("log(number: n)")
def logarithm(_run, value: Decimal) -> Decimal:
    if value <= 0:
        raise Nothing("Only a positive number has a logarithm.")
    return NUMBERS.ln(value)


@builtin("exp(number: n)")
def exponential(_run, value: Decimal) -> Decimal:
    found = NUMBERS.exp(value)
    if not found.is_finite():
        raise Nothing("The number is too large.")
    return found


@builtin("odd(number: n)")
def odd(_run, value: Decimal) -> bool:
    return _is_whole(value) and WIDE.remainder(value.copy_abs(), Decimal(2)) == 1


@builtin("even(number: n)")
def even(_run, value: Decimal) -> bool:
    return _is_whole(value) and WIDE.remainder(value.copy_abs(), Decimal(2)) == 0


def _is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value()

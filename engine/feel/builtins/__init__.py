"""The built-in functions of FEEL (DMN 1.5, 10.3.4), one file per family.

`BUILTINS` holds them by name. Each is written once with its signatures and can be called by position and by name;
values are converted as 10.3.2.9.4 says before they arrive. `ADDED` holds those that Camunda 8 adds to the standard;
its random ones are left out on purpose, because the same variables have to give the same answer every time.
"""

from engine.feel.builtins import contexts, lists, moments, numbers, ranges, texts
from engine.feel.builtins.registry import ADDED, BUILTINS, Nothing

__all__ = ["ADDED", "BUILTINS", "Nothing", "contexts", "lists", "moments", "numbers", "ranges", "texts"]

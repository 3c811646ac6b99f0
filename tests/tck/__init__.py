"""Runs suites of the DMN Technology Compatibility Kit: `python -m tests.tck FOLDER… [--json]`.

A suite is a folder with a .dmn model (and those that it imports) and files `*-test-*.xml`, each with cases: inputs, and the
result that every named node must come to. `run` counts each result node; a value where null or an error was due is a
failure as much as the other way round, and so is a file that cannot be read, a model that is not there, and a node that
takes too long. Nothing of the kit is part of this project.
"""

from tests.tck.suites import Suite, run, suites

__all__ = ["Suite", "run", "suites"]

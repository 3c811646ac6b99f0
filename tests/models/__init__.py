"""Models for tests: a writer of small BPMN files, cases that are walked by hand, random models and what they mean.

`xml` writes files as a person would draw them, `case` walks an instance and saves and loads it after every
step, `blocks` is what random models are made of, `generator` draws them, `reference` says what they mean
without knowing the engine. Nothing here is imported by the platform.
"""

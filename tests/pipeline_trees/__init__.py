"""Both systems' pipelines read as data: expanded, evaluated for an event, and brought into one form to be compared.

It knows the part of each language that this repository uses, and refuses the rest by name: nothing is guessed.
"""

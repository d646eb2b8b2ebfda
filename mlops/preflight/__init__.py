"""What `python -m mlops preflight` makes of what it finds: pure checks over plain values, a module a subject.

Whoever fetches those values is an adapter; a check starts nothing, changes nothing and asks nobody.
"""

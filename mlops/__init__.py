"""Orchestration: what happens to a model, from data to production and back. Never imports torch, vision or serving."""

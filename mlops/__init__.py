"""Orchestration: what happens to a model, from data to production and back. It never imports torch, vision or serving."""

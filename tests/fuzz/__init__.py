"""A million hostile inputs for everything that reads bytes from strangers. Run: make fuzz (see fuzz.run)."""

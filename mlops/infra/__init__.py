"""What infrastructure as code says to the rest: its outputs for stage files, its plans for those who approve them."""

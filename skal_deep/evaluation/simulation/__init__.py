"""Active learning played through on labels that are known."""

"""The folder of a campaign: items, events, rounds, settings, and their files."""

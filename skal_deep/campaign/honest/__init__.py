"""What a campaign may say: honest errors, status, planning of rounds, simulation."""

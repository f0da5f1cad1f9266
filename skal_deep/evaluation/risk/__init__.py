"""Risk estimates that choosing what to label does not bias."""

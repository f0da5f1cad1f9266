"""What a campaign learns with: features of items and models on them."""

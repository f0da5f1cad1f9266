"""What holds for strategies that train a net of their own, or read what one learned."""

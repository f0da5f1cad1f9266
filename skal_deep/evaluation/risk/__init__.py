"""Risk estimates that stay unbiased although labels were chosen actively."""

"""The one door between strategies and models of any kind."""

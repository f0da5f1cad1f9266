"""Rows and labels as they come: order, gaps, copies that are lent."""

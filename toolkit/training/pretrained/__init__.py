"""Weights from elsewhere: downloaded, checked, loaded; a new head."""

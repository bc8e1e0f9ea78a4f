"""Data that no simulator makes."""

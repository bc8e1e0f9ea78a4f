"""Showing: figures, films, tables, sentences."""

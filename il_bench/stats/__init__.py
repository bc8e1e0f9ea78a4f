"""Numbers in, numbers out: intervals, growth, theory."""

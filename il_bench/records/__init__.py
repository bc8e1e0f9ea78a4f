"""The Record: what one comparison leaves behind, and what is said of its runs."""

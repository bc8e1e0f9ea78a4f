"""Measuring: contracts, certificates, probes, quantities."""

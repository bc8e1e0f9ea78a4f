"""The scripted experts of il_bench, one file each, under the name of their environment."""

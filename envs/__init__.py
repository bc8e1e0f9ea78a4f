"""The environments of il_bench, one file each; reached through `il_bench.ENVS`."""

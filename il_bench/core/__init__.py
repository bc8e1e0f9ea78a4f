"""The contracts, and what every room stands on: env, policy, arrays, settings, streams, registry, rollout, files."""

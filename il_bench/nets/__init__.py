"""The nets of il_bench, one file each: settings, fitting, policy, its arrays and the way back."""

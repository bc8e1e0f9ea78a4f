"""The command line: flags, options, progress, how a command says no."""

"""The borders to other people's things: Gymnasium, stable-baselines3, Minari, files, callables."""

"""From states to a policy: dataset, minibatches, training settings, the one loop."""

"""What is logged is not what is: weights and estimators of things that were seen with a known chance."""

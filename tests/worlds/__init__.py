"""Random programs of several Workers, what they must do, and whether they did."""

"""What becomes of Workers elsewhere when something fails, or moves: counted, and timed."""

"""What the tests share: virtual time, and ways to look."""

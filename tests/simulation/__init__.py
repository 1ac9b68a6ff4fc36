"""Tests of links, clocks and distances."""

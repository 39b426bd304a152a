"""Asks Jenkins and decodes its answers; decides nothing."""

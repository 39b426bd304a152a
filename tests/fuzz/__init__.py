"""Hostile answers: mutations of real ones, through every parser of the program.

``python -m tests.fuzz 100000 --seed 1`` is a campaign; the tests here are a small one, and every
input that ever broke something, again.
"""

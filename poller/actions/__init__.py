"""What each command does; returns results and prints nothing."""

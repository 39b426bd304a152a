"""What is collected beside a build's own record: its stages, causes, manifests, console log."""

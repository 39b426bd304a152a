"""Why a build failed: which steps, whose part of the log, and the line that explains it. Pure."""

"""Settings, secrets, proxies and CA files, and what is wrong with them."""

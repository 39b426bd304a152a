"""`install` and `uninstall`: the units, the example config, completion and the man page, from the
package's own data, for the program that runs. Configs, secrets and ledgers are never touched."""

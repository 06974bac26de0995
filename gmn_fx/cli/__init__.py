"""The commands: gmn-extract, gmn-verify, gmn-info, gmn-draw. One file a command."""

"""The command line, `extractctl`."""

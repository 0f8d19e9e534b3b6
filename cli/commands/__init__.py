"""One verb a file; `cli.main` lists them and imports a file only when its verb is typed."""

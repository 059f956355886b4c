"""Kills jobs and looks at what is left: see `tools.kill`.

`job` says what a job is here, `jobs` and `inputs` which there are and what they read. `plans`
says when they are killed, `processes` does it, `at_change` from inside. `contents` reads what
they wrote, `verdict` judges it, and `rounds` puts it all together.
"""

"""Slurm, by slurmrestd."""

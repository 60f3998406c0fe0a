"""The commands of the `repondeur` program, a module for each noun."""

"""From an app without any file for Docker to its first answer, for apps made by their frameworks' own generators."""

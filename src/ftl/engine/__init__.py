"""Docker Engine API client: a small typed surface over aiodocker, and over `http` for reads.

aiodocker and aiohttp take longer to import than all the rest of FTL: they are loaded with the first call that is not a
read, by `library.load_aiohttp`, which halves that.
"""

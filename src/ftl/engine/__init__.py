"""Docker Engine API client: a small typed surface over aiodocker.

`values`, `labels`, `tarball` and `local` import nothing heavy. `api` (`Engine`) and `client` bring an HTTP stack that
takes longer to import than all the rest of FTL: import them where an engine is spoken to, after `loading.load_api`,
which halves that.
"""

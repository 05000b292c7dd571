"""Steps of a plan, as data: printed by `ftl plan`, executed by `ftl.deploy.apply`.

Each module holds the steps that the module of its name in `apply.steps` runs; hooks and the removal of images have
runners of their own.
"""

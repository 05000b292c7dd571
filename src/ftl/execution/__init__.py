"""Running the steps of plans: those of a deploy, a server's setup and a cluster's."""

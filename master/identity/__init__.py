"""Who is who: the cluster's CA, bus users and kubeconfigs."""

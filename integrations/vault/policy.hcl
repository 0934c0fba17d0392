# What the service account may do.
path "secret/data/robot" {
  capabilities = ["read"]
}

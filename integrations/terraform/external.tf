# An ID token as a value, for providers that can neither run a program nor read a token from a file or a variable. It gets
# into the state, in clear, where it is good for an hour at most.

terraform {
  required_providers {
    external = {
      source = "hashicorp/external"
    }
  }
}

data "external" "id_token" {
  program = ["yc-id-token", "token", "--profile=service", "--format=terraform"]
}

locals {
  # Terraform does not print what is sensitive.
  id_token = sensitive(data.external.id_token.result.token)
}

output "expires_at" {
  description = "When the token ends: an apply that takes longer needs another way"
  value       = data.external.id_token.result.expires_at
}

# The federated identity. See docs/tailscale.md.
terraform {
  required_providers {
    tailscale = {
      source  = "tailscale/tailscale"
      version = ">= 0.29.2"
    }
  }
}

resource "tailscale_federated_identity" "robot" {
  description = "A service account of Yandex Cloud"
  issuer      = "https://auth.yandex.cloud"
  subject     = "ajeexampleaccount000"
  scopes      = ["auth_keys"]
  tags        = ["tag:robot"]
}

output "client_id" {
  value = tailscale_federated_identity.robot.id
}

# A role of Vault or OpenBao that one service account of Yandex Cloud can log in with.

terraform {
  required_providers {
    vault = {
      source = "hashicorp/vault"
    }
  }
}

variable "issuer" {
  description = "The issuer of the ID tokens: `iss` of a real one"
  type        = string
  default     = "https://auth.yandex.cloud"
}

variable "audience" {
  description = "The audience that the ID tokens are for"
  type        = string
  default     = "https://vault.example:8200"
}

variable "service_account_id" {
  description = "The service account that may log in"
  type        = string
}

resource "vault_jwt_auth_backend" "yandex_cloud" {
  path               = "jwt"
  type               = "jwt"
  oidc_discovery_url = var.issuer
}

resource "vault_policy" "robot" {
  name   = "robot"
  policy = file("${path.module}/../policy.hcl")
}

resource "vault_jwt_auth_backend_role" "robot" {
  backend         = vault_jwt_auth_backend.yandex_cloud.path
  role_name       = "robot"
  role_type       = "jwt"
  user_claim      = "sub"
  bound_audiences = [var.audience]
  # Never leave this out: the issuer signs for every customer of the cloud.
  bound_subject  = var.service_account_id
  token_policies = [vault_policy.robot.name]
  token_ttl      = 1200
}

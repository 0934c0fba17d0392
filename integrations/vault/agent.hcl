# Vault Agent or OpenBao Agent: keeps a token for programs that read it from a file, logging in with the ID token
# that yc-id-token keeps in another one. Run every five minutes:
#   yc-id-token token --profile=vault --audience=https://vault.example:8200 --output=/run/yc-id-token/vault.jwt

vault {
  address = "https://vault.example:8200"
  ca_cert = "/etc/ssl/vault-ca.pem"
}

auto_auth {
  # Without it, the agent sees a new ID token and does nothing with it.
  enable_reauth_on_new_credentials = true

  method "jwt" {
    mount_path = "auth/jwt"

    config = {
      path = "/run/yc-id-token/vault.jwt"
      role = "robot"
      # By default, the agent deletes the file.
      remove_jwt_after_reading = false
      jwt_read_period          = "30s"
    }
  }

  sink "file" {
    config = {
      path = "/run/yc-id-token/vault-token"
      mode = 0600
    }
  }
}

# The provider logs in with the ID token in TERRAFORM_VAULT_AUTH_JWT.

provider "vault" {
  address = "https://vault.example:8200"
  # By default it makes a child of its token, which takes a right that the role does not have.
  skip_child_token = true

  auth_login_jwt {
    mount = "jwt"
    role  = "robot"
  }
}

//! The files for servers that `setup` prints. They are a crate, because a crate cannot contain files of another folder.
//! The tests check that the servers accept them.

/// Trust policy of an AWS role.
pub const AWS_TRUST_POLICY: &str = include_str!("aws/trust-policy.json");

/// `AuthenticationConfiguration` of an API server.
pub const KUBERNETES_AUTHENTICATION: &str =
    include_str!("kubectl/authentication-configuration.yaml");

/// Policy of Vault.
pub const VAULT_POLICY: &str = include_str!("vault/policy.hcl");

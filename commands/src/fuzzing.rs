//! The fuzz targets: every parser of text from other programs, with what must hold for any text. The programs in
//! `fuzz/` call them, and the tests run them on the corpus.

pub use yc_id_token_core::fuzzing::*;

/// The name of a target, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Each has a program in `fuzz/fuzz_targets` and a folder in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("addresses", addresses),
    ("aws_ini", aws_ini),
    ("cache_entry", cache_entry),
    ("config", config),
    ("dates", dates),
    ("exec_info", exec_info),
    ("gcp_credential_file", gcp_credential_file),
    ("jwt_claims", jwt_claims),
    ("key_file", key_file),
    ("kubeconfig", kubeconfig),
    ("sts_xml", sts_xml),
    ("vault_hcl", vault_hcl),
    ("yc_config", yc_config),
];

/// Parses a kubeconfig and the commands in it.
pub fn kubeconfig(data: &[u8]) {
    crate::command::fuzz_kubeconfig(data);
}

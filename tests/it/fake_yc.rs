//! A `yc` that is a shell script. It requires the arguments of the vendor's documentation, records its calls, and gets
//! its tokens from this program, where the real one gets them itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::sandbox::{PROGRAM, Sandbox};

/// An installed `yc`.
pub struct FakeYc {
    pub path: PathBuf,
    calls: PathBuf,
    mode: PathBuf,
}

const SCRIPT: &str = r#"#!/bin/sh
echo "$@" >>"$HOME/yc-calls"
[ -n "$YC_IAM_TOKEN" ] && echo "with the given IAM token" >>"$HOME/yc-calls"
[ -e "$HOME/yc-mode" ] && . "$HOME/yc-mode"
if [ -n "$YC_IAM_TOKEN" ]; then who=--identity=iam-token; else who=--key-file=$HOME/key.json; fi
unset YC_ID_TOKEN_IDENTITY YC_ID_TOKEN_ID_TOKEN_ROUTE YC_ID_TOKEN_KEY_FILE YC_TOKEN
unset YC_ID_TOKEN_IMPERSONATE_SERVICE_ACCOUNT YC_ID_TOKEN_PROFILE YC_ID_TOKEN_AUDIENCE
# The real one does not run this program, and so not within itself.
unset YC_ID_TOKEN_WITHIN
case "$1 $2 $3 $5" in
"iam create-id-token --subject-id --audience")
    exec PROGRAM token "$who" --cache none --service-account "$4" --audience "$6" ;;
"iam create-token "*) cat "$HOME/iam-token-of-yc" ;;
*) echo "ERROR: unknown command $*" >&2; exit 1 ;;
esac
"#;

impl FakeYc {
    /// Installs it where its installer would, in the home, and logs it in as the sandbox's account.
    pub fn install(sandbox: &Sandbox) -> Self {
        let script = SCRIPT.replace("PROGRAM", PROGRAM);
        let path = sandbox.write("yandex-cloud/bin/yc", &script);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let token = sandbox.cloud.issue_iam_token(&sandbox.account);
        sandbox.write_secret("iam-token-of-yc", &token);
        let home = sandbox.home();
        Self { path, calls: home.join("yc-calls"), mode: home.join("yc-mode") }
    }

    /// Its calls so far, without the program's name.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(&self.calls).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// Shell commands that it runs first.
    pub fn behave(&self, mode: &str) {
        fs::write(&self.mode, mode).unwrap();
    }
}

//! Valid and invalid configurations of the Vault CLIs: `doctor vault` accepts those that the real CLI accepts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::openbao::bao;
use crate::sandbox::Sandbox;

#[test]
fn a_configuration_is_rejected_if_the_cli_rejects_it() {
    let mut sandbox = Sandbox::new();
    let helper = sandbox.write("yc-id-token-vault", "#!/bin/sh\nprintf %s by-helper\n");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let config = sandbox.home().join("cli-config");
    for name in ["BAO_CONFIG_PATH", "VAULT_CONFIG_PATH"] {
        sandbox.set(name, &config);
    }
    let path = helper.display().to_string();
    for (text, is_legal) in [
        ("token_helper = \"HELPER\"\n", true),
        ("# c\n/* c */ \"token_helper\" =\n \"HELPER\", // c\n", true),
        ("token_helper = \"\\x2f\\u002fHELPER\"\r\n", true),
        ("{\"token_helper\": \"HELPER\",}", true),
        ("", true),
        ("token_helper = \"C:\\Users\\me\"\n", false),
        ("token_helper = \"\\/HELPER\"\n", false),
        ("token_helper = 'HELPER'\n", false),
        ("token_helper = HELPER\n", false),
        ("token_helper \"HELPER\"\n", false),
        ("other = \"HELPER\"\n", false),
        ("\u{feff}token_helper = \"HELPER\"\n", false),
        ("{\"token_helper\"= \"HELPER\"}", false),
        ("# c\n{\"token_helper\": \"HELPER\"}", false),
        ("/* c", false),
    ] {
        fs::remove_file(&config).unwrap_or_default();
        sandbox.write("cli-config", &text.replace("HELPER", &path));
        let mut command = sandbox.other_command(bao());
        let by_cli = sandbox.finish({
            command.args(["print", "token"]);
            command
        });
        assert_eq!(by_cli.status.success(), is_legal, "{text:?}: {by_cli:?}");
        let printed = sandbox.run(&["doctor", "vault"]).stdout;
        assert_eq!(!printed.contains("cli-config:"), is_legal, "{text:?}: {printed}");
        assert_eq!(
            printed.contains("is yc-id-token"),
            is_legal && !text.is_empty(),
            "{text:?}: {printed}"
        );
    }
}

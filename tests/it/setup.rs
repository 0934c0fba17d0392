//! `setup` writes a profile and the consumer's configuration: exactly the changes that it shows, once, with a backup of
//! each file. It also prints or writes the configuration of the server.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use yc_id_token::settings::schema::COMMON;
use yc_id_token::settings::{Kind, Offer};
use yc_id_token_emulator::Options;

use crate::sandbox::{Outcome, PROGRAM, Sandbox};

const ISSUER: &str = "https://issuer.example";
const ROLE: &str = "--role-arn=arn:aws:iam::123456789012:role/team/robot";

/// A sandbox whose tokens have another issuer than the guessed one, and without kubectl.
fn sandbox() -> Sandbox {
    without_kubectl(Options { issuer: Some(ISSUER.to_owned()), ..Options::default() })
}

/// A sandbox with only this program on the PATH.
pub fn without_kubectl(options: Options) -> Sandbox {
    let mut sandbox = Sandbox::with_options(options);
    let programs = sandbox.home().join("programs");
    fs::create_dir(&programs).unwrap();
    symlink(PROGRAM, programs.join("yc-id-token")).unwrap();
    sandbox.set("PATH", programs);
    sandbox
}

pub fn setup(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    sandbox.run(&[&["setup"], arguments].concat())
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.home().join(name)).unwrap_or_default()
}

/// The settings of the sandbox's environment as they are written to a profile.
fn endpoints(sandbox: &Sandbox) -> String {
    let url = sandbox.cloud.url();
    format!("iam_endpoint = \"{url}\"\noauth_endpoint = \"{url}\"\n")
}

const CONFIG: &str = ".config/yc-id-token/config.toml";

/// Backups of a file.
fn copies(sandbox: &Sandbox, name: &str) -> Vec<PathBuf> {
    let path = sandbox.home().join(name);
    let begin = format!("{}.bak-", path.file_name().unwrap().to_str().unwrap());
    let folder = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    folder.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&begin)).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_profile_of_aws_is_set_up_by_flags_and_only_once() {
    let sandbox = sandbox();
    let arguments = ["aws", ROLE, "--region=eu-central-1", "--apply"];
    let printed = setup(&sandbox, &arguments).ok();
    let key = sandbox.home().join("key.json");
    let configuration = format!(
        "[profiles.yandex]\nkey_file = \"{}\"\n{}\n[profiles.yandex.aws]\nrole_arn = \"arn:aws:iam::123456789012:role/team/robot\"\nregion = \"eu-central-1\"\n",
        key.display(),
        endpoints(&sandbox)
    );
    assert_eq!(read(&sandbox, CONFIG), configuration);
    let program = sandbox.home().join("programs/yc-id-token");
    assert_eq!(
        read(&sandbox, ".aws/config"),
        format!(
            "[profile yandex]\nregion = eu-central-1\ncredential_process = {} aws --profile=yandex\n",
            program.display()
        )
    );
    for path in [CONFIG, ".aws/config"] {
        assert_eq!(mode(&sandbox.home().join(path)), 0o600, "{path}");
        assert_eq!(mode(sandbox.home().join(path).parent().unwrap()), 0o700, "{path}");
    }
    for part in [
        "+[profiles.yandex]\n",
        "+[profile yandex]\n",
        "--url https://issuer.example --client-id-list sts.amazonaws.com\n",
        "\"arn:aws:iam::123456789012:oidc-provider/issuer.example\"",
        &format!("\"issuer.example:sub\": \"{}\"", sandbox.account),
        "--role-name robot --path /team/ ",
        "Try it:\n  aws sts get-caller-identity --profile yandex\n",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }

    for again in [&arguments[..], &["aws", "--apply"], &["aws", "--print"], &["aws"]] {
        let printed = setup(&sandbox, again).ok();
        assert!(printed.starts_with("Nothing to change"), "{again:?}: {printed}");
    }
    assert_eq!(read(&sandbox, CONFIG), configuration);
    assert_eq!((copies(&sandbox, CONFIG).len(), copies(&sandbox, ".aws/config").len()), (0, 0));
}

#[test]
fn without_a_terminal_nothing_is_changed_by_default() {
    let sandbox = sandbox();
    for more in [&["--print"][..], &[]] {
        let printed = setup(&sandbox, &[&["aws", ROLE], more].concat()).ok();
        assert!(printed.contains("+[profile yandex]\n"), "{printed}");
        assert!(
            printed.ends_with("Nothing has been changed. To make these changes, give `--apply`.\n")
        );
    }
    assert!(!sandbox.home().join(".aws").exists() && !sandbox.home().join(".config").exists());
    setup(&sandbox, &["aws", ROLE, "--print", "--apply"]).fails(2, "E_USAGE");
}

#[test]
fn comments_links_and_permissions_stay_and_a_backup_is_made() {
    let mut sandbox = sandbox();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    let before = "# mine\n[profiles.prod] # the robot\nkey_file = \"key.json\"   # beside this\naudience = 'k8s'\n\n[identity.x]\ntype = \"metadata\"\n";
    sandbox.configure(before);
    let theirs = "# AWS\n[profile yandex] # mine\n# home\nregion = eu-west-1\noutput = json\n";
    let dotfile = sandbox.write("dotfiles/aws", theirs);
    fs::set_permissions(&dotfile, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(sandbox.home().join(".aws")).unwrap();
    symlink("../dotfiles/aws", sandbox.home().join(".aws/config")).unwrap();

    let arguments =
        ["aws", "--name=prod", ROLE, "--region=eu-west-1", "--aws-profile=yandex", "--apply"];
    setup(&sandbox, &arguments).ok();
    let after = read(&sandbox, CONFIG);
    let added = "\n[profiles.prod.aws]\nrole_arn = \"arn:aws:iam::123456789012:role/team/robot\"\nregion = \"eu-west-1\"\naudience = \"sts.amazonaws.com\"\n";
    assert_eq!(
        after.replacen(added, "", 1).replacen(&endpoints(&sandbox), "", 1),
        before,
        "the audience of kubectl is not AWS's: {after}"
    );
    let theirs_after = fs::read_to_string(&dotfile).unwrap();
    assert!(
        theirs_after.starts_with("# AWS\n[profile yandex] # mine\n# home\nregion = eu-west-1\n"),
        "{theirs_after}"
    );
    assert!(theirs_after.contains("\noutput = json\ncredential_process = "), "{theirs_after}");
    assert!(fs::symlink_metadata(sandbox.home().join(".aws/config")).unwrap().is_symlink());
    assert_eq!(mode(&dotfile), 0o640);
    for (name, text) in [(CONFIG, before), (".aws/config", theirs)] {
        let copies = copies(&sandbox, name);
        let [copy] = &copies[..] else { panic!("{copies:?}") };
        assert_eq!((fs::read_to_string(copy).unwrap().as_str(), mode(copy)), (text, 0o600));
    }
}

#[test]
fn every_setting_of_the_run_is_written_into_the_profile() {
    let mut sandbox = sandbox();
    sandbox.write_secret("iam-token", "t1.sample");
    sandbox.keep_secret("hunter2");
    sandbox.write("ca.pem", "");
    let run = ["setup", "aws", ROLE, "--region=eu", "--offline", "--print"];
    for field in COMMON.settings.iter().filter(|field| field.is_in_file) {
        let value = match (field.key, field.kind, field.offer) {
            ("identity", ..) => "metadata",
            ("key_file", ..) => "key.json",
            ("iam_token_file", ..) => "iam-token",
            ("installation", ..) => "ru",
            ("service_account", ..) => &sandbox.account.clone(),
            ("endpoint" | "iam_endpoint" | "oauth_endpoint", ..) => "https://yc.example",
            (_, _, Offer::Words(words)) => words().last().unwrap(),
            (_, Kind::Path, _) => "ca.pem",
            (_, Kind::Time, _) => "7s",
            (_, Kind::Proxy, _) => "proxy.example:3128",
            _ => "sample",
        };
        let flag = format!("{}={value}", field.flag);
        // Most kinds of identity need it.
        let account = format!("--service-account={}", sandbox.account);
        let account = Some(account.as_str()).filter(|_| field.key != "service_account");
        let arguments: Vec<&str> = run.into_iter().chain(account).collect();
        let by_flag = sandbox.run(&[&arguments[..], &[&flag]].concat()).ok();
        let before = sandbox.get(field.variable);
        sandbox.set(field.variable, value);
        if ["identity", "iam_token_file"].contains(&field.key) {
            sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        }
        let by_variable = sandbox.run(&arguments).ok();
        sandbox.unset(field.variable);
        if let Some(before) = before {
            sandbox.set(field.variable, before);
        }
        sandbox.set("YC_ID_TOKEN_KEY_FILE", sandbox.home().join("key.json"));
        for printed in [by_flag, by_variable] {
            let line = format!("+{} = ", field.key);
            let line = printed.lines().find(|text| text.starts_with(&line));
            let line = line.unwrap_or_else(|| panic!("no {} in {printed}", field.key));
            let text =
                if field.kind == Kind::Bool { value.to_owned() } else { format!("{value}\"") };
            assert!(line.ends_with(&text), "{line}");
            if [Kind::Path, Kind::Key].contains(&field.kind) {
                assert!(line.contains("\"/"), "it is no absolute path: {line}");
            }
        }
    }
    sandbox.set("YC_ID_TOKEN_AWS_DURATION", "30m");
    let printed =
        sandbox.run(&[&run[..], &["--proxy=http://me:hunter2@proxy.example"]].concat()).ok();
    assert!(printed.contains("+duration = \"30m\"\n"), "{printed}");
    assert!(
        printed.contains("The proxy is not written into the profile")
            && !printed.contains("+proxy")
    );
}

#[test]
fn a_second_aws_profile_and_a_second_server_get_profiles_of_their_own() {
    let sandbox = sandbox();
    let aws = ["aws", ROLE, "--region=eu", "--apply"];
    // As an earlier version wrote it.
    setup(&sandbox, &[&aws[..], &["--name=aws"]].concat()).ok();
    let first = (read(&sandbox, CONFIG), read(&sandbox, ".aws/config"));
    assert!(first.1.contains("[profile yandex]\n") && first.1.ends_with(" --profile=aws\n"));
    assert!(setup(&sandbox, &aws).ok().starts_with("Nothing to change"));
    setup(&sandbox, &[&aws[..], &["--aws-profile=prod.account"]].concat()).ok();
    setup(&sandbox, &[&aws[..], &["--aws-profile=prod-account"]].concat()).ok();
    let config = read(&sandbox, CONFIG);
    assert!(config.starts_with(&first.0) && config.contains("[profiles.prod-account]\n"));
    assert!(config.contains("[profiles.aws-prod-account]\n"), "{config}");
    let theirs = read(&sandbox, ".aws/config");
    assert!(theirs.starts_with(&first.1), "{theirs}");
    setup(&sandbox, &[&aws[..], &["--name=third"]].concat()).ok();
    assert!(read(&sandbox, ".aws/config").contains("[profile yandex-third]\n"));

    let vault = ["vault", "--role=r", "--no-helper", "--apply"];
    let at = |address: &'static str, more: &[&'static str]| {
        let address = format!("--address={address}");
        setup(&sandbox, &[&vault[..], &[&address], more].concat()).ok()
    };
    at("https://a.example:8200", &["--name=vault"]);
    let before = read(&sandbox, CONFIG);
    let again = at("a.example:8200/", &[]);
    assert!(again.starts_with("Nothing to change"), "{again}");
    let again = setup(&sandbox, &["vault", "--no-helper", "--apply"]).ok();
    assert!(again.starts_with("Nothing to change"), "the only server: {again}");
    at("https://b.example", &[]);
    at("https://b.example:8200", &[]);
    at("https://b.example", &["--namespace=team"]);
    let after = read(&sandbox, CONFIG);
    assert!(after.starts_with(&before), "{after}");
    for name in ["b-example", "b-example-8200", "b-example-team"] {
        assert!(after.contains(&format!("\n[profiles.{name}.vault]\n")), "{name}: {after}");
    }
}

#[test]
fn the_server_configuration_is_written_only_with_the_changes() {
    let sandbox = sandbox();
    let arguments = ["vault", "--address=https://v.example", "--role=r", "--server-config=v.sh"];
    let printed = setup(&sandbox, &arguments).ok();
    assert!(
        printed.contains("+bao policy") || printed.contains("+vault policy read r "),
        "{printed}"
    );
    assert!(!sandbox.home().join("v.sh").exists());
    sandbox.write("v.sh", "# theirs\n");
    let apply = [&arguments[..], &["--apply"]].concat();
    let (text, hint) = setup(&sandbox, &apply).fails(3, "E_CONFLICT");
    assert!(text.contains("v.sh` exists") && hint.contains("--force"), "{text}");
    assert_eq!(
        (read(&sandbox, "v.sh").as_str(), read(&sandbox, CONFIG).as_str()),
        ("# theirs\n", "")
    );
    setup(&sandbox, &[&apply[..], &["--force"]].concat()).ok();
    let script = read(&sandbox, "v.sh");
    assert!(
        script.starts_with("#!/bin/sh\n# Written by `yc-id-token setup`. Issuer, "),
        "{script}"
    );
    // Its own file is replaced.
    setup(&sandbox, &[&apply[..], &["--namespace=team"]].concat()).ok();
    let with_namespace = script.replace("set -eu\n\n", "set -eu\n\nexport VAULT_NAMESPACE=team\n");
    assert_eq!(read(&sandbox, "v.sh"), with_namespace);
    let of_s3 = ["aws", "--sts-endpoint=https://s3.example"];
    setup(&sandbox, &[&of_s3[..], &["--server-config=a.sh"]].concat()).fails(2, "E_USAGE");
    let printed = setup(&sandbox, &[&of_s3[..], &["--apply"]].concat()).ok();
    assert!(printed.ends_with("Try it:\n  aws s3 ls --profile yandex\n"), "{printed}");
    // AWS tools do not find that server by themselves, and the user may have set its address.
    let config = read(&sandbox, ".aws/config");
    assert!(config.ends_with("endpoint_url = https://s3.example\n"), "{config}");
    sandbox.write(".aws/config", &config.replace("/s3", "/other"));
    assert!(setup(&sandbox, &of_s3).ok().starts_with("Nothing to change"));
}

#[test]
fn the_note_on_an_extended_profile_names_inherited_settings() {
    let mut sandbox = sandbox();
    setup(&sandbox, &["aws", "--apply", ROLE, "--region=eu"]).ok();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let other = "--role-arn=arn:aws:iam::123456789012:role/other";
    let printed = setup(&sandbox, &["aws", "--aws-profile=two", other]).ok();
    assert!(printed.contains("and inherits its identity and `aws.region` (`eu`)."), "{printed}");
}

#[test]
fn a_key_in_a_variable_is_not_written_into_the_profile() {
    let mut sandbox = sandbox();
    let run = ["aws", ROLE, "--region=eu", "--offline", "--apply"];
    let (text, _) = setup(&sandbox, &[&run[..], &["--key-file=-"]].concat()).fails(3, "E_VALUE");
    assert!(text.starts_with("--key-file: a profile needs the key in a file"), "{text}");
    sandbox.set("YC_ID_TOKEN_KEY_FILE", sandbox.key.to_json());
    let (text, _) = setup(&sandbox, &run).fails(3, "E_VALUE");
    assert!(text.starts_with("YC_ID_TOKEN_KEY_FILE: a profile needs the key in a file"), "{text}");
    assert!(!sandbox.home().join(".config").exists() && !sandbox.home().join(".aws").exists());
}

#[test]
fn missing_settings_are_named_by_their_flags() {
    let mut sandbox = sandbox();
    let missing = |sandbox: &Sandbox, arguments: &[&str], flag: &str| {
        let (text, hint) = setup(sandbox, arguments).fails(3, "E_MISSING");
        assert!(hint.contains(&format!("give `{flag}`")), "{arguments:?}: {text}\n{hint}");
    };
    let clusters = "clusters:\n- name: prod\n- name: stage\n";
    sandbox.write(".kube/config", clusters);
    missing(&sandbox, &["kubectl", "--cluster=prod"], "--audience");
    missing(&sandbox, &["kubectl", "--audience=k8s"], "--cluster");
    missing(&sandbox, &["aws"], "--role-arn");
    missing(&sandbox, &["vault", "--role=r"], "--address");
    missing(&sandbox, &["vault", "--address=https://vault.example"], "--role");
    let mistaken = ["vault", "--address=https://vault.example", "--role=https://vault.example"];
    let (message, _) = setup(&sandbox, &mistaken).fails(2, "E_USAGE");
    assert!(message.contains("cannot be the name of a role"), "{message}");
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    missing(&sandbox, &["aws", ROLE], "--key-file");
    for (consumer, flags) in [
        ("kubectl", &["--cluster", "--audience", "--key-file"][..]),
        ("aws", &["--role-arn", "--key-file"]),
        ("vault", &["--address", "--role", "--key-file"]),
    ] {
        for flag in flags {
            missing(&sandbox, &[consumer, "--apply"], flag);
        }
    }
    missing(&sandbox, &["aws", ROLE, "--identity=metadata"], "--service-account");
    setup(&sandbox, &["aws", ROLE, "--key-file=none.json"]).fails(3, "E_UNREADABLE");
    // `setup aws` rejects what `aws` rejects.
    let with_blank = "--role-arn=arn:aws:iam::123456789012:role/ro bot";
    for wrong in
        [&["aws", "--role-arn=robot"][..], &["aws", with_blank], &["aws", ROLE, "--name=a b"]]
    {
        let arguments = [wrong, &["--key-file=key.json"]].concat();
        setup(&sandbox, &arguments).fails(2, "E_USAGE");
    }
    sandbox.set("YC_ID_TOKEN_AWS_ROLE_ARN", "robot");
    setup(&sandbox, &["aws", "--key-file=key.json"]).fails(2, "E_USAGE");
    assert!(!sandbox.home().join(".config").exists());
}

#[test]
fn other_credentials_of_the_same_name_are_not_overwritten() {
    let sandbox = sandbox();
    let theirs = "[profile yandex]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n";
    sandbox.write(".aws/config", theirs);
    let (text, hint) = setup(&sandbox, &["aws", ROLE, "--apply"]).fails(3, "E_CONFLICT");
    assert!(text.contains("(role_arn, source_profile)") && hint.contains("--force"), "{text}");
    assert_eq!(read(&sandbox, ".aws/config"), theirs);
    assert_eq!(read(&sandbox, CONFIG), "");
    setup(&sandbox, &["aws", ROLE, "--apply", "--force"]).ok();
    let after = read(&sandbox, ".aws/config");
    assert!(!after.contains("source_profile") && after.contains("credential_process"), "{after}");

    sandbox.write(".aws/credentials", "[yandex]\naws_access_key_id = AKIAEXAMPLE\n");
    let (text, hint) = setup(&sandbox, &["aws", ROLE, "--force"]).fails(3, "E_CONFLICT");
    assert!(text.contains("would be used instead") && hint.contains("--aws-profile"), "{text}");
    setup(&sandbox, &["aws", ROLE, "--aws-profile=robot"]).ok();
}

#[test]
fn without_a_token_the_issuer_is_a_guess_and_not_applied() {
    let sandbox = sandbox();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let printed = setup(&sandbox, &["aws", ROLE]).ok();
    for part in [
        "Cannot get a token with these settings:\n! cannot get an ID token",
        "iam.serviceAccounts.tokenCreator",
        "The issuer below is a guess",
        // Tokens most likely come from it.
        &format!("--url {} ", sandbox.cloud.url()),
        sandbox.account.as_str(),
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let (_, hint) = setup(&sandbox, &["aws", ROLE, "--apply"]).fails(4, "E_SOURCE_DENIED");
    assert!(hint.contains("tokenCreator") && hint.contains("nothing has been changed"), "{hint}");
    assert!(!sandbox.home().join(".aws").exists() && !sandbox.home().join(".config").exists());
    let requests = sandbox.token_requests();
    let printed = setup(&sandbox, &["aws", ROLE, "--apply", "--offline"]).ok();
    assert!(printed.contains("No token was requested."), "{printed}");
    assert_eq!(sandbox.token_requests(), requests);
    assert!(read(&sandbox, ".aws/config").contains("credential_process"));
}

#[test]
fn the_token_helper_is_installed_with_a_profile_or_left_alone() {
    let sandbox = sandbox();
    let arguments = ["vault", "--address=https://vault.example:8200/", "--role=robot", "--apply"];
    let printed =
        setup(&sandbox, &[&arguments[..], &["--no-helper", "--mount=team/jwt"]].concat()).ok();
    assert!(!sandbox.home().join(".vault").exists());
    for part in [
        "vault auth enable -path=team/jwt jwt\n",
        "vault policy write robot - <<'EOF'\n",
        "vault write auth/team/jwt/config oidc_discovery_url=https://issuer.example\n",
        &format!("bound_audiences=https://vault.example:8200 bound_subject={} ", sandbox.account),
        "  yc-id-token vault login --profile=vault-example\n  vault token lookup\n",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }

    let printed = setup(&sandbox, &arguments).ok();
    let link = sandbox.home().join(".local/bin/yc-id-token-vault-vault-example");
    let entry = format!("token_helper = \"{}\"\n", link.display());
    assert_eq!((read(&sandbox, ".vault"), read(&sandbox, ".bao")), (entry.clone(), entry));
    assert!(link.exists());
    let steps = "Try it:\n  export VAULT_ADDR=https://vault.example:8200/\n  vault token lookup\n";
    assert!(printed.ends_with(steps), "{printed}");
    assert!(setup(&sandbox, &arguments).ok().starts_with("Nothing to change"));

    sandbox.write(".bao", "token_helper = \"/opt/other\"\n");
    let (text, _) = setup(&sandbox, &arguments).fails(3, "E_CONFLICT");
    assert!(text.contains("another token helper"), "{text}");
}

#[test]
fn another_configuration_path_is_named_in_the_command() {
    let sandbox = sandbox();
    let config = sandbox.home().join("other/config.toml");
    let flag = format!("--config={}", config.display());
    setup(&sandbox, &["aws", ROLE, "--apply", &flag, "--name=prod"]).ok();
    assert!(config.exists() && !sandbox.home().join(".config").exists());
    let theirs = read(&sandbox, ".aws/config");
    assert!(theirs.contains("[profile yandex]\n"), "{theirs}");
    assert!(theirs.ends_with(&format!(" aws --profile=prod {flag}\n")), "{theirs}");
}

/// Types these answers at a terminal.
pub fn dialogue(sandbox: &Sandbox, arguments: &str, answers: &str) -> Outcome {
    let mut script = sandbox.other_command("/usr/bin/script");
    script.args(["-qec", &format!("{PROGRAM} {arguments}"), "/dev/null"]).env("SHELL", "/bin/sh");
    script.env("CLICOLOR_FORCE", "1").env("TERM", "xterm-256color");
    script.stdin(fs::File::open(sandbox.write("answers", answers)).unwrap());
    sandbox.finish(script)
}

#[test]
fn a_terminal_is_prompted_for_missing_settings() {
    let mut sandbox = sandbox();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let answers =
        "\nnone.json\n~/key.json\nrobot\narn:aws:iam::123456789012:role/robot\neu-central-1\ny\n";
    let printed = dialogue(&sandbox, "setup aws", answers).stdout;
    for part in [
        "! cannot read the authorized key file",
        "! `robot` is not the ARN of a role",
        "Profile of AWS's configuration [yandex]: ",
        "+[profile yandex]",
        "Apply? [y/N]: written ",
        "Try it:",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(read(&sandbox, CONFIG).starts_with("[profiles.yandex]\nkey_file = \"~/key.json\"\n"));
    assert!(read(&sandbox, ".aws/config").contains("region = eu-central-1\n"));

    let answers = "two\n~/key.json\nrobot\narn:aws:iam::123456789012:role/robot\neu\nn\n";
    let printed = dialogue(&sandbox, "setup aws --identity=metadata", answers).stdout;
    assert!(printed.contains("! `~/key.json` is not an ID"), "{printed}");
    let printed =
        dialogue(&sandbox, "setup vault --key-file=key.json", "https://v.example\nr\nn\n");
    assert!(printed.stdout.contains("Apply? [y/N]: Nothing has been changed."), "{printed:?}");
    assert!(!read(&sandbox, CONFIG).contains("vault") && !sandbox.home().join(".vault").exists());
    let printed = dialogue(&sandbox, "setup aws --apply --aws-profile=other", "never read\n");
    assert!(printed.stdout.contains("the role to assume is missing [E_MISSING]"), "{printed:?}");
    let printed = dialogue(&sandbox, "setup vault --key-file=key.json", "");
    assert!(printed.stdout.contains("the address of the server is missing"), "{printed:?}");
}

#[test]
fn an_interrupt_at_the_prompt_to_apply_ends_the_run() {
    let sandbox = sandbox();
    let mut script = sandbox.other_command("/usr/bin/script");
    let command = format!("{PROGRAM} setup vault --address=https://v.example --role=r --no-helper");
    script.args(["-qec", &command, "/dev/null"]).env("SHELL", "/bin/sh");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let (mut printed, mut byte) = (Vec::new(), [0]);
    // It has got a token by then, and has caught signals meanwhile.
    while !printed.ends_with(b"Apply? [y/N]: ") {
        child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        printed.push(byte[0]);
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\x03").unwrap();
    assert_eq!(sandbox.outcome(child).status.code(), Some(128 + 2));
    assert_eq!(read(&sandbox, CONFIG), "");
}

#[test]
fn with_no_color_there_is_no_colour_even_at_a_terminal() {
    let mut sandbox = sandbox();
    sandbox.set("NO_COLOR", "1");
    for arguments in ["--help", "setup aws --help", "setup awss", "setup aws", "token --audiance x"]
    {
        let printed = dialogue(&sandbox, arguments, "").stdout;
        assert!(!printed.is_empty() && !printed.contains('\u{1b}'), "{arguments}: {printed:?}");
    }
}

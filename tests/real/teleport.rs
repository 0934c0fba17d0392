//! `docs/teleport.md`: the page's command and variable give tbot a token that the page's join token accepts.

use std::process::Command;

use serde_json::Value;

use super::pages::Page;
use crate::agent::file;
use crate::sandbox::PROGRAM;

#[test]
fn tbot_gets_a_token_that_the_join_token_accepts() {
    let mut page = Page::of("teleport");
    let join = page.yaml("token.yaml");
    let bot = page.yaml("tbot.yaml");
    assert_eq!(bot["onboarding"]["token"], join["metadata"]["name"]);
    assert_eq!(bot["onboarding"]["join_method"], join["spec"]["join_method"]);
    let trusted = &join["spec"]["generic_oidc"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let relying_party = page.relying_party(
        &text(&trusted["issuer"]),
        &text(&trusted["audience"]),
        &text(&trusted["must_match_fields"]["sub"]),
    );

    let command = bot["onboarding"]["generic_oidc"]["command"].as_array().unwrap();
    assert_eq!(command[0], "/usr/local/bin/yc-id-token");
    let mut program: Command = page.sandbox.other_command(PROGRAM);
    program.args(command[1..].iter().map(|word| word.as_str().unwrap()));
    let printed = page.sandbox.finish(program).ok();
    relying_party.check(printed.trim_end()).unwrap();

    page.play("tbot", "[ \"$1\" = start ] && printf %s \"$TOKEN\" >\"$HOME/token\"\n");
    let received = file(&page.sandbox, "token");
    page.type_in("--token-env=TOKEN", &[]).ok();
    relying_party.check(&std::fs::read_to_string(received).unwrap()).unwrap();

    let claims: Value = serde_json::from_str(&page.type_in("--decode", &[]).ok()).unwrap();
    assert_eq!(claims["aud"], trusted["audience"]);
}

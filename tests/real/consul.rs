//! `docs/consul.md`: the token of the page's `consul login` is validated as by the page's auth method and binding rule.

use std::fs;

use serde_json::Value;

use super::pages::{ACCOUNT, ISSUER, Page};
use crate::agent::file;

#[test]
fn consul_login_gets_a_token_that_the_auth_method_accepts() {
    let mut page = Page::of("consul");
    // Stores the content of the file.
    page.play(
        "consul",
        "[ \"$1\" = login ] || exit 1
for word; do case $word in -bearer-token-file=*) cp \"${word#*=}\" \"$HOME/bearer-token\" ;; esac; done
for word; do case $word in -token-sink-file=*) echo sink >\"${word#*=}\" ;; esac; done\n",
    );
    let received = file(&page.sandbox, "bearer-token");
    page.type_in("consul login", &[]).ok();
    let token = fs::read_to_string(received).unwrap();
    assert!(page.sandbox.home().join("consul-token").exists());

    let method: Value = serde_json::from_str(&page.file("auth-method.json")).unwrap();
    assert_eq!(method["OIDCDiscoveryURL"], ISSUER);
    let audience = method["BoundAudiences"][0].as_str().unwrap();
    let relying_party = page.relying_party(
        method["BoundIssuer"].as_str().unwrap(),
        audience,
        &page.sandbox.account,
    );
    relying_party.check(&token).unwrap();
    // The binding rule compares the value that the auth method maps the subject to.
    let name = method["ClaimMappings"]["sub"].as_str().unwrap();
    page.text.block("text", &format!("-selector='value.{name}==\"{ACCOUNT}\"'"));

    let claims: Value = serde_json::from_str(&page.type_in("--decode", &[]).ok()).unwrap();
    assert_eq!(claims["aud"], audience);
    let kept = page.token_file();
    fs::create_dir(kept.parent().unwrap()).unwrap();
    page.sandbox.run(&["agent", "--once"]).ok();
    relying_party.check(&fs::read_to_string(kept).unwrap()).unwrap();
}

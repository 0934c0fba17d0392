//! `docs/tailscale.md`: the token of the page's `tailscale up` is validated as by the page's federated identity.

use std::fs;

use serde_json::Value;

use super::pages::Page;
use super::terraform;
use crate::agent::file;

#[test]
fn tailscale_up_gets_a_token_that_the_federated_identity_accepts() {
    let mut page = Page::of("tailscale");
    let text = page.file("main.tf");
    terraform::assert_formatted(&page.sandbox, "main.tf", &text);
    let read = terraform::read_hcl(&page.sandbox, &text);
    let identity = &read["resource"][0]["tailscale_federated_identity"]["robot"];
    let issuer = identity["issuer"].as_str().unwrap();
    let subject = identity["subject"].as_str().unwrap();

    page.play(
        "tailscale",
        "[ \"$1\" = up ] || exit 1
for word; do case $word in
--client-id=*) printf %s \"${word#*=}\" >\"$HOME/client-id\" ;;
--id-token=file:*) cp \"${word#*=file:}\" \"$HOME/id-token\" ;;
esac; done\n",
    );
    let received = file(&page.sandbox, "id-token");
    page.type_in("tailscale up", &[]).ok();
    // Tailscale derives the audience from the client ID.
    let client = fs::read_to_string(page.sandbox.home().join("client-id")).unwrap();
    let audience = format!("api.tailscale.com/{client}");
    let relying_party = page.relying_party(issuer, &audience, subject);
    relying_party.check(&fs::read_to_string(received).unwrap()).unwrap();

    let claims: Value = serde_json::from_str(&page.type_in("--decode", &[]).ok()).unwrap();
    assert_eq!(claims["aud"], audience.as_str());
}

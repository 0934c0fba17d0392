//! The resources to create in Google Cloud: the pool, the provider with its condition, and the rights.

use super::super::server_side::{ServerSide, Use};
use super::super::trust::Trust;
use crate::command::setup::script_word;
use crate::consumer::GcpConfiguration;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The commands that create them. They can be run again. `by_default` is the audience that a provider accepts without a
/// list of audiences.
pub(super) fn project_side(
    trust: &Trust,
    google: &GcpConfiguration,
    by_default: &str,
) -> ServerSide {
    let Trust { issuer, subject, audience, .. } = trust;
    let [project, pool, provider] = google.provider.parts();
    let principal = format!(
        "principal://iam.googleapis.com/projects/{project}/locations/global/workloadIdentityPools/{pool}/subject/{}",
        subject.as_str()
    );
    let audiences = if google.audience == by_default {
        Message::default()
    } else {
        message!(" \\\n    --allowed-audiences={}", audience.quoted_for_sh())
    };
    let [project, pool, provider] =
        [project, pool, provider].map(|part| ForeignText::line(part).quoted_for_sh());
    let member = script_word(&principal);
    let rights = match &google.service_account_email {
        Some(email) => message!(
            "gcloud iam service-accounts add-iam-policy-binding {} --role=roles/iam.workloadIdentityUser \\
  --member={member}\n",
            script_word(email),
            member
        ),
        None => message!(
            "# Then give it the rights that it needs, such as:
# gcloud projects add-iam-policy-binding {project} --role=roles/storage.objectViewer \\
#   --member={member}\n",
            project,
            member
        ),
    };
    let commands = message!(
        "
gcloud iam workload-identity-pools describe {pool} --project={project} --location=global >/dev/null 2>&1 ||
  gcloud iam workload-identity-pools create {pool} --project={project} --location=global
# A provider that exists stays as it is: its issuer, condition and audiences must accept the same.
gcloud iam workload-identity-pools providers describe {provider} --project={project} --location=global \\
  --workload-identity-pool={pool} >/dev/null 2>&1 ||
  gcloud iam workload-identity-pools providers create-oidc {provider} --project={project} --location=global \\
    --workload-identity-pool={pool} --issuer-uri={issuer} \\
    --attribute-mapping=google.subject=assertion.sub \\
    --attribute-condition=\"assertion.sub == '{subject}'\"{audiences}
{rights}",
        issuer = issuer.quoted_for_sh(),
        subject,
        audiences,
        pool,
        project,
        provider,
        rights
    );
    ServerSide {
        heading: "Google Cloud project",
        printed: message!(
            "{commands}\nAlways keep the condition: the issuer signs tokens for every customer of Yandex Cloud.\nThe same by Terraform: `integrations/gcp/terraform/main.tf` of yc-id-token, with these names.\n",
            commands
        ),
        content: commands,
        use_as: Use::Script,
    }
}

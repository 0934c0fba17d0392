//! The STS endpoint, by address or by region.
//!
//! The address is the first of: `--sts-endpoint`, its variable or profile; `AWS_ENDPOINT_URL_STS`;
//! `AWS_ENDPOINT_URL`; AWS's configuration. Without one, it is the regional endpoint of the first of: `--region`, its
//! variable or profile; `AWS_REGION`; `AWS_DEFAULT_REGION`; AWS's configuration; the first region of the role's
//! partition.
//!
//! AWS's variables rank below this program's settings on purpose: an address that is exported for another tool must
//! not change where a configured profile's token is sent.

use std::path::Path;

use crate::env::{self, Env, Var};
use crate::error::Result;
use crate::http::Endpoint;
use crate::settings::{Origin, Setting, Settings, invalid_value, parse_switch};

use super::config_file::ConfigFile;
use super::partition::{GLOBAL, Partition, is_of_aws};
use super::settings::{REGION, STS_DUAL_STACK, STS_ENDPOINT, STS_FIPS};
use crate::message;
use crate::run::Context;

#[derive(Debug)]
pub(super) struct Sts {
    pub(super) endpoint: Endpoint,
    /// Whether it is an endpoint of AWS, and not of a compatible server.
    pub(super) is_aws: bool,
    region: Setting<String>,
}

impl Sts {
    pub(super) fn choose(
        settings: &Settings,
        context: Context<'_>,
        role_arn: Option<&Setting<String>>,
    ) -> Result<Self> {
        let shared = Shared::new(context.env, context.locations.home.as_deref());
        let region = region(settings, &shared, role_arn);
        let fips = shared.switch(
            settings.is_on(&STS_FIPS)?,
            env::AWS_USE_FIPS_ENDPOINT,
            "use_fips_endpoint",
        );
        let dual_stack = shared.switch(
            settings.is_on(&STS_DUAL_STACK)?,
            env::AWS_USE_DUALSTACK_ENDPOINT,
            "use_dualstack_endpoint",
        );
        let address = match settings.own(&STS_ENDPOINT) {
            Some(own) => Some(own),
            None => shared.address()?,
        };
        let Some(address) = address else {
            let partition = Partition::of_region(&region)?;
            partition.check_role(&region, role_arn)?;
            let address = partition.address(&region, &fips, &dual_stack)?;
            return Ok(Self {
                endpoint: Endpoint::parse("STS endpoint", &address)?,
                is_aws: true,
                region,
            });
        };
        // The switch would have no effect, and FIPS can be mandatory.
        for (switch, kind) in [(fips, "FIPS"), (dual_stack, "dual-stack")] {
            if switch.value {
                let problem = message!(
                    "the {kind} endpoint of a region cannot be combined with the address of an STS ({})",
                    address.origin,
                    kind
                );
                return Err(invalid_value(switch.origin, problem));
            }
        }
        let endpoint = Endpoint::parse("STS endpoint", &address.value)?;
        let is_aws = is_of_aws(&endpoint);
        Ok(Self { endpoint, is_aws, region })
    }

    /// The region, if one is set.
    pub(super) fn named_region(&self) -> Option<String> {
        let is_named = self.region.origin != Origin::BuiltIn && self.region.value != GLOBAL;
        is_named.then(|| self.region.value.clone())
    }

    /// The region, for messages.
    pub(super) fn region(&self) -> &str {
        &self.region.value
    }
}

fn region(
    settings: &Settings,
    shared: &Shared<'_>,
    role_arn: Option<&Setting<String>>,
) -> Setting<String> {
    settings
        .own(&REGION)
        .or_else(|| shared.get(&[env::AWS_OWN_REGION, env::AWS_DEFAULT_REGION], "region"))
        .unwrap_or_else(|| {
            let partition = role_arn.and_then(|arn| arn.value.split(':').nth(1));
            let partition = partition.and_then(Partition::of_id);
            let first = partition.map_or("us-east-1", |partition| partition.first_region);
            Setting { value: first.into(), origin: Origin::BuiltIn }
        })
}

/// The settings that AWS's tools on this machine share.
struct Shared<'a> {
    env: &'a Env,
    file: Option<ConfigFile>,
}

impl<'a> Shared<'a> {
    fn new(env: &'a Env, home: Option<&Path>) -> Self {
        Self { env, file: ConfigFile::read(env, home) }
    }

    fn variable(&self, vars: &[Var]) -> Option<Setting<String>> {
        let setting = |var: &Var| {
            let value = self.env.get(*var)?;
            Some(Setting { value, origin: Origin::Variable(var.name) })
        };
        vars.iter().find_map(setting)
    }

    /// The first of these variables that is set, or a setting of the profile.
    fn get(&self, vars: &[Var], key: &str) -> Option<Setting<String>> {
        self.variable(vars).or_else(|| self.file.as_ref()?.profile_setting(key))
    }

    /// The address of STS. Both a variable and the profile can disable it.
    fn address(&self) -> Result<Option<Setting<String>>> {
        let ignored = self
            .get(&[env::AWS_IGNORE_CONFIGURED_ENDPOINT_URLS], "ignore_configured_endpoint_urls");
        if ignored.is_some_and(|ignored| ignored.value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let by_variable = self.variable(&[env::AWS_ENDPOINT_URL_STS, env::AWS_ENDPOINT_URL]);
        match (by_variable, &self.file) {
            (None, Some(file)) => file.sts_endpoint(),
            (by_variable, _) => Ok(by_variable),
        }
    }

    /// A switch: this program's setting, or that of AWS's tools, where an unknown value means off.
    fn switch(&self, own: Setting<bool>, var: Var, key: &str) -> Setting<bool> {
        if own.origin != Origin::BuiltIn {
            return own;
        }
        self.get(&[var], key).map_or(own, |setting| Setting {
            value: parse_switch(&setting.value.to_lowercase()).unwrap_or(false),
            origin: setting.origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn setting(value: &str) -> Setting<String> {
        Setting { value: value.into(), origin: Origin::Flag("--region") }
    }

    fn switch(value: bool) -> Setting<bool> {
        Setting { value, origin: Origin::Flag("--sts-fips") }
    }

    fn address(region: &str, fips: bool, dual_stack: bool) -> Result<String> {
        let region = setting(region);
        Partition::of_region(&region)?.address(&region, &switch(fips), &switch(dual_stack))
    }

    #[test]
    fn every_partition_has_its_own_host_names() {
        // The tests with real peers compare the whole table with botocore's.
        for (region, fips, dual_stack, host) in [
            ("eu-central-1", false, false, "sts.eu-central-1.amazonaws.com"),
            ("eu-central-1", true, false, "sts-fips.eu-central-1.amazonaws.com"),
            ("eu-central-1", false, true, "sts.eu-central-1.api.aws"),
            ("aws-global", false, false, "sts.amazonaws.com"),
            ("cn-northwest-1", false, true, "sts.cn-northwest-1.api.amazonwebservices.com.cn"),
            ("us-gov-west-1", true, false, "sts.us-gov-west-1.amazonaws.com"),
            ("us-gov-west-1", true, true, "sts-fips.us-gov-west-1.api.aws"),
            ("us-iso-east-1", false, false, "sts.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", false, false, "sts.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", false, false, "sts.eusc-de-east-1.amazonaws.eu"),
            ("xx-moon-9", false, false, "sts.xx-moon-9.amazonaws.com"),
        ] {
            assert_eq!(address(region, fips, dual_stack).unwrap(), format!("https://{host}"));
        }
        assert!(address("aws-global", true, false).is_err());
    }

    #[test]
    fn a_region_cannot_contain_another_host() {
        for bad in ["evil.example/", "a.b", "a@b", "EU-CENTRAL-1", "eu central", &"a".repeat(64)] {
            assert!(address(bad, false, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_not_sent_to_another_partition() {
        let check = |region: &str, role: &str| {
            let region = setting(region);
            let role = setting(role);
            Partition::of_region(&region).unwrap().check_role(&region, Some(&role))
        };
        assert!(check("cn-north-1", "arn:aws-cn:iam::123456789012:role/r").is_ok());
        assert!(check("us-east-1", "arn:aws:iam::123456789012:role/r").is_ok());
        let error = check("us-east-1", "arn:aws-cn:iam::123456789012:role/r").unwrap_err();
        assert!(error.to_string().contains("`aws-cn`"), "{error}");
    }

    #[test]
    fn aws_servers_and_compatible_servers_are_distinguished() {
        let is_aws = |url: &str| is_of_aws(&Endpoint::parse("STS endpoint", url).unwrap());
        assert!(is_aws("https://sts.eu-central-1.amazonaws.com"));
        assert!(is_aws("https://vpce-1.sts.us-east-1.vpce.amazonaws.com"));
        assert!(!is_aws("https://notamazonaws.com"));
        assert!(!is_aws("https://minio.example"));
    }

    #[test]
    fn an_address_that_aws_tools_ignore_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        for (profile, variables, expected) in [
            ("", &[][..], Some("https://file.example")),
            ("ignore_configured_endpoint_urls = True", &[], None),
            ("IGNORE_CONFIGURED_ENDPOINT_URLS: true # so", &[("AWS_ENDPOINT_URL", "u")], None),
            ("ignore_configured_endpoint_urls = yes", &[("AWS_ENDPOINT_URL", "u")], Some("u")),
            (
                "ignore_configured_endpoint_urls = true",
                &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")],
                Some("https://file.example"),
            ),
            ("", &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")], None),
        ] {
            let text = format!("[default]\nendpoint_url = https://file.example\n{profile}\n");
            crate::private_file::write(&path, text.as_bytes()).unwrap();
            let mut env = HashMap::from([("AWS_CONFIG_FILE", path.to_str().unwrap().to_owned())]);
            env.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
            let env = Env::Fake(env);
            let address = Shared::new(&env, None).address().unwrap().map(|setting| setting.value);
            assert_eq!(address.as_deref(), expected, "{profile} {variables:?}");
        }
    }

    #[test]
    fn aws_settings_are_used_if_this_program_has_none() {
        let env = Env::Fake(HashMap::from([
            ("AWS_USE_FIPS_ENDPOINT", "TRUE".to_owned()),
            ("AWS_USE_DUALSTACK_ENDPOINT", "maybe".to_owned()),
        ]));
        let shared = Shared::new(&env, None);
        let unset = || Setting { value: false, origin: Origin::BuiltIn };
        assert!(shared.switch(unset(), env::AWS_USE_FIPS_ENDPOINT, "use_fips_endpoint").value);
        let dual_stack = env::AWS_USE_DUALSTACK_ENDPOINT;
        assert!(!shared.switch(unset(), dual_stack, "use_dualstack_endpoint").value);
        let off = switch(false);
        assert!(!shared.switch(off, env::AWS_USE_FIPS_ENDPOINT, "use_fips_endpoint").value);
    }
}

//! The partitions of AWS, and the addresses of their STS endpoints.

use crate::error::Result;
use crate::foreign_text::ForeignText;
use crate::http::Endpoint;
use crate::message;
use crate::settings::{Setting, invalid_value};

/// A separate part of AWS (AWS SDKs, `partitions.json`).
pub(super) struct Partition {
    id: &'static str,
    /// The prefix of its regions' names.
    regions: &'static str,
    /// The region whose STS is used if none is set.
    pub(super) first_region: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

const PARTITIONS: &[Partition] = &[
    row("aws-cn", "cn-", "cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    row("aws-us-gov", "us-gov-", "us-gov-west-1", "amazonaws.com", "api.aws"),
    row("aws-eusc", "eusc-", "eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
    row("aws-iso", "us-iso-", "us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
    row("aws-iso-b", "us-isob-", "us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
    row("aws-iso-e", "eu-isoe-", "eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    row("aws-iso-f", "us-isof-", "us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    // All other regions, including future ones.
    row("aws", "", "us-east-1", "amazonaws.com", "api.aws"),
];

const fn row(
    id: &'static str,
    regions: &'static str,
    first_region: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
) -> Partition {
    Partition { id, regions, first_region, suffix, dual_stack_suffix }
}

/// The name of the endpoint without a region in AWS's tools.
pub(super) const GLOBAL: &str = "aws-global";

impl Partition {
    pub(super) fn of_id(id: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|known| known.id == id)
    }

    pub(super) fn of_region(region: &Setting<String>) -> Result<&'static Self> {
        let name = &region.value;
        // Security: it becomes part of a host name.
        let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let partition = PARTITIONS.iter().find(|partition| name.starts_with(partition.regions));
        partition.filter(|_| name.len() <= 63 && name.chars().all(is_label)).ok_or_else(|| {
            invalid_value(
                region.origin.clone(),
                message!(
                    "`{name}` is not the name of an AWS region",
                    name = ForeignText::new(name)
                ),
            )
        })
    }

    /// A role of one partition does not exist in the others, and a token must not be sent to them.
    pub(super) fn check_role(
        &self,
        region: &Setting<String>,
        role_arn: Option<&Setting<String>>,
    ) -> Result<()> {
        let Some(arn) = role_arn else { return Ok(()) };
        let its = arn.value.split(':').nth(1);
        match its.filter(|its| Self::of_id(its).is_some()) {
            Some(its) if its != self.id => Err(invalid_value(
                region.origin.clone(),
                message!(
                    "the region `{}` is in AWS's partition `{}`, and the role ({}) in `{its}`",
                    ForeignText::new(&region.value),
                    self.id,
                    arn.origin,
                    its = ForeignText::new(its)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The address of a region's STS (AWS SDKs, endpoint rule set of STS).
    pub(super) fn address(
        &self,
        region: &Setting<String>,
        fips: &Setting<bool>,
        dual_stack: &Setting<bool>,
    ) -> Result<String> {
        let name = &region.value;
        if name == GLOBAL {
            return match [fips, dual_stack].into_iter().find(|switch| switch.value) {
                Some(switch) => Err(invalid_value(
                    switch.origin.clone(),
                    "the endpoint without a region has no such variant; name a region",
                )),
                None => Ok(format!("https://sts.{}", self.suffix)),
            };
        }
        // In GovCloud the default endpoint is the FIPS one.
        let is_usual = self.id == "aws-us-gov" && !dual_stack.value;
        let host = if fips.value && !is_usual { "sts-fips" } else { "sts" };
        let suffix = if dual_stack.value { self.dual_stack_suffix } else { self.suffix };
        Ok(format!("https://{host}.{name}.{suffix}"))
    }
}

/// Whether an endpoint belongs to AWS, and not to a compatible server.
pub(super) fn is_of_aws(endpoint: &Endpoint) -> bool {
    let host = endpoint.host();
    PARTITIONS.iter().any(|partition| {
        [partition.suffix, partition.dual_stack_suffix]
            .iter()
            .any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
    })
}

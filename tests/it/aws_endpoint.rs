//! Which STS receives a token: by the settings first, then by the variables and configuration of AWS's own tools. No
//! server is called: a proxy on loopback records the requested host and answers instead.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::sandbox::Sandbox;

const ROLE: &str = "--role-arn=arn:aws:iam::123456789012:role/robot";

/// A proxy that connects to no server.
pub struct Proxy {
    hosts: Receiver<String>,
}

impl Proxy {
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        sandbox.set("YC_ID_TOKEN_PROXY", format!("http://{}", listener.local_addr().unwrap()));
        let (heard, hosts) = channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut lines = reader.by_ref().lines();
                let first = lines.next().unwrap().unwrap();
                lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
                // An answer that is not TLS is not retried.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = reader.fill_buf();
                let _ = stream.write_all(b"This is not TLS.");
                let host = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
                if heard.send(host.unwrap_or(&first).to_owned()).is_err() {
                    return;
                }
            }
        });
        Self { hosts }
    }

    /// The host that a run wants to reach.
    #[track_caller]
    pub fn host(&self, sandbox: &Sandbox, arguments: &[&str]) -> String {
        let role = arguments.iter().any(|argument| argument.starts_with("--role-arn"));
        let role: &[&str] = if role { &[] } else { &[ROLE] };
        let arguments = [&["aws"], role, arguments].concat();
        sandbox.run(&arguments).fails(6, "E_TLS");
        let host = self.hosts.recv_timeout(Duration::from_secs(60)).unwrap();
        // The connection that is opened ahead arrives here too.
        while self.hosts.try_recv().is_ok() {}
        host
    }
}

#[test]
fn the_region_comes_from_settings_then_variables_then_aws_config() {
    let mut sandbox = Sandbox::new();
    let proxy = Proxy::start(&mut sandbox);
    let sts = |region: &str| format!("sts.{region}.amazonaws.com:443");
    assert_eq!(proxy.host(&sandbox, &[]), sts("us-east-1"), "built in");
    sandbox.write(
        ".aws/config",
        "[default]\nregion = eu-west-1\n[profile work]\nregion = eu-west-2\n",
    );
    assert_eq!(proxy.host(&sandbox, &[]), sts("eu-west-1"));
    sandbox.set("AWS_PROFILE", "work");
    assert_eq!(proxy.host(&sandbox, &[]), sts("eu-west-2"));
    sandbox.set("AWS_DEFAULT_REGION", "ap-south-1");
    assert_eq!(proxy.host(&sandbox, &[]), sts("ap-south-1"));
    sandbox.set("AWS_REGION", "ap-south-2");
    assert_eq!(proxy.host(&sandbox, &[]), sts("ap-south-2"));
    sandbox.configure("[profiles.p.aws]\nregion = \"ca-central-1\"\n");
    assert_eq!(proxy.host(&sandbox, &["--profile=p"]), sts("ca-central-1"));
    sandbox.set("YC_ID_TOKEN_AWS_REGION", "ca-west-1");
    assert_eq!(proxy.host(&sandbox, &["--profile=p"]), sts("ca-west-1"));
    assert_eq!(
        proxy.host(&sandbox, &["--profile=p", "--region=aws-global"]),
        "sts.amazonaws.com:443"
    );
}

#[test]
fn the_address_comes_from_settings_then_variables_then_aws_config() {
    let mut sandbox = Sandbox::new();
    let proxy = Proxy::start(&mut sandbox);
    let config = "[default]\nservices = local\nendpoint_url = https://all.example\n[services local]\nsts =\n  endpoint_url = https://service.example\n[profile all]\nendpoint_url = https://all.example\n";
    let path = sandbox.write("aws-config", config);
    sandbox.set("AWS_CONFIG_FILE", path);
    assert_eq!(proxy.host(&sandbox, &[]), "service.example:443");
    sandbox.set("AWS_PROFILE", "all");
    assert_eq!(proxy.host(&sandbox, &[]), "all.example:443");
    sandbox.set("AWS_ENDPOINT_URL", "https://every.example");
    assert_eq!(proxy.host(&sandbox, &[]), "every.example:443");
    sandbox.set("AWS_ENDPOINT_URL_STS", "https://sts.example");
    assert_eq!(proxy.host(&sandbox, &[]), "sts.example:443");
    sandbox.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    assert_eq!(proxy.host(&sandbox, &[]), "sts.us-east-1.amazonaws.com:443");
    sandbox.unset("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    sandbox.configure("[profiles.p.aws]\nsts_endpoint = \"https://settings.example\"\n");
    assert_eq!(proxy.host(&sandbox, &["--profile=p"]), "settings.example:443");
    let flag = "--sts-endpoint=https://flag.example:8443";
    assert_eq!(proxy.host(&sandbox, &["--profile=p", flag]), "flag.example:8443");
}

#[test]
fn dual_stack_and_fips_endpoints_are_used_where_requested() {
    let mut sandbox = Sandbox::new();
    let proxy = Proxy::start(&mut sandbox);
    let region = "--region=eu-west-1";
    assert_eq!(
        proxy.host(&sandbox, &[region, "--sts-fips"]),
        "sts-fips.eu-west-1.amazonaws.com:443"
    );
    assert_eq!(proxy.host(&sandbox, &[region, "--sts-dual-stack"]), "sts.eu-west-1.api.aws:443");
    sandbox.set("AWS_USE_FIPS_ENDPOINT", "true");
    let region = "--region=eu-west-2";
    assert_eq!(proxy.host(&sandbox, &[region]), "sts-fips.eu-west-2.amazonaws.com:443");
    let (text, _) =
        sandbox.run(&["aws", ROLE, "--sts-endpoint=https://sts.example"]).fails(3, "E_VALUE");
    assert!(text.contains("AWS_USE_FIPS_ENDPOINT") && text.contains("FIPS"), "{text}");
}

#[test]
fn a_token_is_not_sent_to_a_region_without_the_role() {
    let mut sandbox = Sandbox::new();
    let proxy = Proxy::start(&mut sandbox);
    let chinese = "--role-arn=arn:aws-cn:iam::123456789012:role/robot";
    let run = |more: &[&str]| sandbox.run(&[&["aws", chinese], more].concat());
    let host = proxy.host(&sandbox, &[chinese]);
    assert_eq!(host, "sts.cn-north-1.amazonaws.com.cn:443", "the first region of its partition");
    let (text, _) = run(&["--region=us-east-1"]).fails(2, "E_USAGE");
    assert!(text.contains("`aws-cn`"), "{text}");
    for region in ["--region=a.example/", "--region=EU-WEST-1"] {
        let (text, _) = run(&[region]).fails(2, "E_USAGE");
        assert!(text.contains("not the name of an AWS region"), "{text}");
    }
    let (text, _) = run(&["--sts-endpoint=http://sts.example"]).fails(3, "E_ENDPOINT");
    assert!(text.contains("plain http"), "{text}");
}

//! Writes an object with the AWS SDK for Rust and prints what it then reads back:
//!
//! ```sh
//! aws-rust BUCKET KEY TEXT
//! ```
//!
//! Credentials and the address of S3 come from `AWS_PROFILE`, `AWS_ENDPOINT_URL` and related variables, as in every
//! program of the SDK.

use std::error::Error;
use std::process::ExitCode;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match put_and_get().await {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", DisplayErrorContext(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn put_and_get() -> Result<String, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bucket, key, text] = &arguments[..] else {
        return Err("usage: aws-rust BUCKET KEY TEXT".into());
    };
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::from_env().http_client(http).load().await;
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);

    let body = ByteStream::from(text.clone().into_bytes());
    s3.put_object().bucket(bucket).key(key).body(body).send().await?;
    let object = s3.get_object().bucket(bucket).key(key).send().await?;
    Ok(String::from_utf8(object.body.collect().await?.to_vec())?)
}

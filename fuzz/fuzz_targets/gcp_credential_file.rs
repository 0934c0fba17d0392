#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| yc_id_token::fuzzing::gcp_credential_file(data));

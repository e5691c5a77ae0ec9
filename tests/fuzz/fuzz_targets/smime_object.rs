//! A CMS object in BER or DER, as the body of a message that calls it S/MIME.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|object: &[u8]| {
    let Some((form, object)) = object.split_first() else {
        return;
    };
    let smime_type = ["authEnveloped-data", "enveloped-data", "signed-data"][usize::from(form % 3)];
    let head = format!(
        "From: a@ehpad-tilleuls.test\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/pkcs7-mime; smime-type={smime_type}; name=smime.p7m\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    let message = [head.as_bytes(), STANDARD.encode(object).as_bytes(), b"\r\n"].concat();
    liaison_fuzz::open(&message);
});

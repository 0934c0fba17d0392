//! The wire format of D-Bus (D-Bus Specification, "Marshaling" and "Message Format"), as far as the Secret
//! Service needs it: little-endian, and a handful of types.
//!
//! What is read comes from a program of the same user, but not always from the one that we know: whatever it
//! is, it is read or refused, and nothing is taken for what it is not.

use std::collections::VecDeque;

use zeroize::Zeroizing;

/// "The maximum length of a message" is 128 MiB. Ours hold one item.
const LONGEST: usize = 1024 * 1024;

/// What a message is made of, in front of its body.
const FIXED: usize = 16;

/// Kinds of messages.
pub(super) const METHOD_CALL: u8 = 1;
pub(super) const METHOD_RETURN: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

/// Fields of a header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// Values in a row, each where it has to begin.
#[derive(Default)]
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// A secret is not moved about while this grows, which would leave copies behind.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    fn align(&mut self, to: usize) {
        let length = self.0.len().next_multiple_of(to);
        self.0.resize(length, 0);
    }

    fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.align(4);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn bool(&mut self, value: bool) -> &mut Self {
        self.u32(value.into())
    }

    /// A string or an object path.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes()).u8(0)
    }

    pub(super) fn signature(&mut self, signature: &str) -> &mut Self {
        self.u8(u8::try_from(signature.len()).unwrap_or(0));
        self.0.extend_from_slice(signature.as_bytes());
        self.u8(0)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(0));
        self.0.extend_from_slice(bytes);
        self
    }

    /// An array whose elements begin at multiples of `to`.
    pub(super) fn array(&mut self, to: usize, elements: impl FnOnce(&mut Self)) -> &mut Self {
        self.u32(0);
        let at = self.0.len();
        self.align(to);
        let begin = self.0.len();
        elements(self);
        let length = u32::try_from(self.0.len() - begin).unwrap_or(0);
        self.0[at - 4..at].copy_from_slice(&length.to_le_bytes());
        self
    }

    /// A struct, or an entry of a dictionary.
    pub(super) fn begin_struct(&mut self) -> &mut Self {
        self.align(8);
        self
    }
}

/// What is called.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) method: &'a str,
    /// The types of the body.
    pub(super) signature: &'a str,
}

/// The bytes of a call.
pub(super) fn call(serial: u32, call: Call<'_>, body: &Writer) -> Zeroizing<Vec<u8>> {
    let mut message = Writer::with_capacity(512 + body.0.len());
    message.u8(b'l').u8(METHOD_CALL).u8(0).u8(1);
    message.u32(u32::try_from(body.0.len()).unwrap_or(0)).u32(serial);
    message.array(8, |fields| {
        for (field, kind, value) in [
            (PATH, "o", call.path),
            (INTERFACE, "s", call.interface),
            (MEMBER, "s", call.method),
            (DESTINATION, "s", call.destination),
        ] {
            fields.begin_struct().u8(field).signature(kind).text(value);
        }
        if !call.signature.is_empty() {
            fields.begin_struct().u8(SIGNATURE).signature("g").signature(call.signature);
        }
    });
    message.align(8);
    message.0.extend_from_slice(&body.0);
    message.0
}

/// A message, as far as it is of interest.
#[derive(Default)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) reply_to: u32,
    pub(super) path: String,
    pub(super) member: String,
    pub(super) error: String,
    signature: String,
    body: Zeroizing<Vec<u8>>,
}

/// Bytes that are not what they should be.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Malformed;

impl Message {
    /// How many bytes follow the first 16 of a message.
    pub(super) fn rest(fixed: [u8; FIXED]) -> Result<usize, Malformed> {
        let number = |at: usize| {
            let bytes = fixed.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(usize::MAX, |bytes| u32::from_le_bytes(bytes) as usize)
        };
        let (body, fields) = (number(4), number(12));
        let is_ours = fixed[0] == b'l' && fixed[3] == 1 && body <= LONGEST && fields <= LONGEST;
        if is_ours { Ok(fields.next_multiple_of(8) + body) } else { Err(Malformed) }
    }

    /// Reads a message.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { bytes, at: 1 };
        let mut message = Self { kind: reader.u8()?, ..Self::default() };
        reader.at = 4;
        let length = reader.u32()? as usize;
        reader.u32()?;
        let end = reader.u32()? as usize + reader.at;
        while reader.at < end {
            reader.align(8)?;
            let field = reader.u8()?;
            match (field, reader.signature()?) {
                (PATH, "o") => message.path = reader.text()?.into(),
                (MEMBER, "s") => message.member = reader.text()?.into(),
                (ERROR_NAME, "s") => message.error = reader.text()?.into(),
                (REPLY_SERIAL, "u") => message.reply_to = reader.u32()?,
                (SIGNATURE, "g") => message.signature = reader.signature()?.into(),
                (_, "o" | "s") => drop(reader.text()?),
                (_, "u") => drop(reader.u32()?),
                _ => return Err(Malformed),
            }
        }
        reader.align(8)?;
        message.body = Zeroizing::new(reader.take(length)?.to_vec());
        Ok(message)
    }

    /// The body, which must be of these types.
    pub(super) fn body(&self, signature: &str) -> Result<Reader<'_>, Malformed> {
        let is_it = self.signature == signature;
        is_it.then_some(Reader { bytes: &self.body, at: 0 }).ok_or(Malformed)
    }
}

/// Reads values in a row.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn align(&mut self, to: usize) -> Result<(), Malformed> {
        self.take(self.at.next_multiple_of(to) - self.at).map(|_| ())
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.align(4)?;
        let bytes = self.take(4)?.try_into().ok().ok_or(Malformed)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        self.u32().map(|value| value != 0)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.bytes()?;
        self.terminated(bytes)
    }

    pub(super) fn signature(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u8()?.into();
        let bytes = self.take(length)?;
        self.terminated(bytes)
    }

    fn terminated(&mut self, bytes: &'a [u8]) -> Result<&'a str, Malformed> {
        let text = std::str::from_utf8(bytes).ok().ok_or(Malformed)?;
        if self.u8()? == 0 { Ok(text) } else { Err(Malformed) }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// An array of strings or object paths.
    pub(super) fn texts(&mut self) -> Result<VecDeque<&'a str>, Malformed> {
        let end = self.u32()? as usize + self.at;
        let mut texts = VecDeque::new();
        while self.at < end {
            texts.push_back(self.text()?);
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: Call<'static> = Call {
        destination: "org.example",
        path: "/org/example",
        interface: "org.example.Interface",
        method: "Do",
        signature: "asbayo",
    };

    fn sample() -> Zeroizing<Vec<u8>> {
        let mut body = Writer::default();
        body.array(4, |array| {
            array.text("a").text("").text("bcdef");
        });
        body.bool(true).bytes(b"secret").text("/o");
        call(7, CALL, &body)
    }

    fn rest(bytes: &[u8]) -> Result<usize, Malformed> {
        Message::rest(bytes[..FIXED].try_into().unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample();
        assert_eq!(rest(&bytes), Ok(bytes.len() - FIXED));
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.kind, message.path.as_str()), (METHOD_CALL, CALL.path));
        assert_eq!(message.member, CALL.method);
        let mut body = message.body(CALL.signature).unwrap();
        assert_eq!(body.texts().unwrap(), ["a", "", "bcdef"]);
        assert!(body.bool().unwrap());
        assert_eq!(body.bytes().unwrap(), b"secret");
        assert_eq!(body.text().unwrap(), "/o");
        assert!(body.text().is_err());
        assert!(message.body("s").is_err(), "and is not taken for something else");
    }

    #[test]
    fn a_message_is_what_the_specification_says() {
        let call = Call { destination: "d", path: "/", interface: "i", method: "m", signature: "" };
        let expected = b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x3a\x00\x00\x00\
            \x01\x01o\x00\x01\x00\x00\x00/\x00\x00\x00\x00\x00\x00\x00\
            \x02\x01s\x00\x01\x00\x00\x00i\x00\x00\x00\x00\x00\x00\x00\
            \x03\x01s\x00\x01\x00\x00\x00m\x00\x00\x00\x00\x00\x00\x00\
            \x06\x01s\x00\x01\x00\x00\x00d\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(*super::call(1, call, &Writer::default()), expected);
    }

    #[test]
    fn a_message_that_is_too_long_or_of_another_order_of_bytes_is_refused() {
        for (at, byte) in [(0, b'B'), (3, 2), (6, 0xff), (14, 0xff), (7, 0xff), (15, 0xff)] {
            let mut bytes = sample().to_vec();
            bytes[at] = byte;
            assert_eq!(rest(&bytes), Err(Malformed), "{at}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_read_or_refused(
            at in 0..120_usize,
            byte in any::<u8>(),
            end in 16..200_usize,
            noise in proptest::collection::vec(any::<u8>(), 16..64),
        ) {
            let mut bytes = sample().to_vec();
            bytes[at] = byte;
            bytes.truncate(end);
            for bytes in [bytes, noise] {
                let _ = rest(&bytes);
                let Ok(message) = Message::parse(&bytes) else { continue };
                if let Ok(mut body) = message.body(CALL.signature) {
                    let _ = (body.texts(), body.bool(), body.bytes(), body.text());
                }
            }
        }
    }
}

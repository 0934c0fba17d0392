//! D-Bus messages and values (D-Bus Specification, "Marshaling" and "Message Format"), as an implementation independent
//! of the program's. A message in an unexpected format fails the test.

const PATH: u8 = 1;
const MEMBER: u8 = 3;
const SIGNATURE: u8 = 8;

/// The fields of a call that the tests use.
#[derive(Default)]
pub(super) struct Message {
    pub(super) serial: u32,
    pub(super) path: String,
    pub(super) member: String,
    signature: String,
    body: Vec<u8>,
}

impl Message {
    /// The number of bytes after the first 16 of a message.
    pub(super) fn rest(fixed: &[u8]) -> usize {
        let number = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(fixed[0], b'l', "little-endian");
        number(12).next_multiple_of(8) + number(4)
    }

    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader { bytes, at: 8 };
        let mut message = Self { serial: reader.u32(), ..Self::default() };
        let end = reader.u32() as usize + reader.at;
        while reader.at < end {
            reader.align(8);
            let field = reader.u8();
            match (field, reader.signature()) {
                (PATH, "o") => message.path = reader.text().into(),
                (MEMBER, "s") => message.member = reader.text().into(),
                (SIGNATURE, "g") => message.signature = reader.signature().into(),
                (_, "o" | "s") => drop(reader.text()),
                (_, "u") => drop(reader.u32()),
                (field, signature) => panic!("field {field} of type {signature}"),
            }
        }
        reader.align(8);
        message.body = bytes[reader.at..].to_vec();
        message
    }

    /// The body, which must be of these types.
    pub(super) fn body(&self, signature: &str) -> Reader<'_> {
        assert_eq!(self.signature, signature, "{}", self.member);
        Reader { bytes: &self.body, at: 0 }
    }
}

/// Reads values in a row.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let begin = self.at;
        self.at += length;
        &self.bytes[begin..self.at]
    }

    pub(super) fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub(super) fn u32(&mut self) -> u32 {
        self.align(4);
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    pub(super) fn text(&mut self) -> &'a str {
        let bytes = self.bytes();
        self.take(1);
        std::str::from_utf8(bytes).unwrap()
    }

    pub(super) fn signature(&mut self) -> &'a str {
        let length = self.u8().into();
        let bytes = self.take(length);
        self.take(1);
        std::str::from_utf8(bytes).unwrap()
    }

    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let length = self.u32() as usize;
        self.take(length)
    }

    /// The elements of an array, which begin at multiples of `to`.
    pub(super) fn array<T>(&mut self, to: usize, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.u32() as usize;
        self.align(to);
        let end = self.at + length;
        let mut elements = Vec::new();
        while self.at < end {
            self.align(to);
            elements.push(read(self));
        }
        elements
    }
}

/// Values in a row.
#[derive(Clone, Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn aligned(mut self, to: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
        self
    }

    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u32(self, value: u32) -> Self {
        let mut aligned = self.aligned(4);
        aligned.0.extend(value.to_le_bytes());
        aligned
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut with_length = self.u32(u32::try_from(bytes.len()).unwrap());
        with_length.0.extend(bytes);
        with_length
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).u8(0)
    }

    pub(super) fn signature(mut self, signature: &str) -> Self {
        self.0.push(u8::try_from(signature.len()).unwrap());
        self.0.extend(signature.as_bytes());
        self.u8(0)
    }

    pub(super) fn texts(self, texts: &[String]) -> Self {
        let aligned = self.aligned(4);
        let elements = texts.iter().fold(Self::default(), |all, text| {
            // Each begins at a multiple of four, as the array does.
            all.aligned(4).text(text)
        });
        aligned.bytes(&elements.0)
    }
}

//! The protobuf wire format, read from a slice: no length, number or nesting in a file is trusted.
//!
//! A message is a list of fields, each a number, a type and a value (Protocol Buffers documentation,
//! "Encoding"). Only what ONNX uses is here: varints, 32-bit and 64-bit words, and byte strings.

use crate::network::{NetworkError, Result};

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Word64(u64),
    Word32(u32),
    Bytes(&'a [u8]),
}

/// The fields of one message, in the file's order.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    /// What the message is, for errors.
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// Number and value of the next field; `None` at the message's end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Word64(u64::from_le_bytes(self.take()?)),
            2 => {
                let length = self.varint()?;
                let found = self.rest.len();
                let split = usize::try_from(length)
                    .ok()
                    .and_then(|length| self.rest.split_at_checked(length));
                let Some((bytes, rest)) = split else {
                    return Err(self.error(&format!(
                        "a field of {length} bytes where {found} are left (the file may be cut off)"
                    )));
                };
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Word32(u32::from_le_bytes(self.take()?)),
            other => return Err(self.error(&format!("a field of the unknown type {other}"))),
        };
        match tag >> 3 {
            0 => Err(self.error("a field with the number 0")),
            number => Ok(Some((number, value))),
        }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for (idx, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * idx).min(63);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[idx + 1..];
                return Ok(value);
            }
        }
        Err(self.error("a number without an end"))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error("a number that is cut off"));
        };
        self.rest = rest;
        Ok(*bytes)
    }

    fn error(&self, why: &str) -> NetworkError {
        NetworkError::BadModel(format!("its {} holds {why}", self.what))
    }
}

impl<'a> Value<'a> {
    /// A byte string or an embedded message.
    pub(super) fn bytes(self, what: &str) -> Result<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(NetworkError::BadModel(format!("its {what} is no text"))),
        }
    }

    /// A text.
    pub(super) fn text(self, what: &str) -> Result<&'a str> {
        std::str::from_utf8(self.bytes(what)?)
            .map_err(|_| NetworkError::BadModel(format!("its {what} is no UTF-8 text")))
    }

    /// A whole number.
    pub(super) fn int(self, what: &str) -> Result<i64> {
        match self {
            Value::Varint(value) => Ok(value as i64),
            _ => Err(NetworkError::BadModel(format!(
                "its {what} is no whole number"
            ))),
        }
    }

    /// A repeated whole number: one, or many packed into bytes.
    pub(super) fn ints(self, what: &'static str, into: &mut Vec<i64>) -> Result<()> {
        match self {
            Value::Bytes(bytes) => {
                let mut fields = Fields::new(bytes, what);
                while !fields.rest.is_empty() {
                    into.push(fields.varint()? as i64);
                }
            }
            other => into.push(other.int(what)?),
        }
        Ok(())
    }

    /// A repeated 32-bit float: one, or many packed.
    pub(super) fn floats(self, what: &str, into: &mut Vec<f32>) -> Result<()> {
        match self {
            Value::Word32(bits) => into.push(f32::from_bits(bits)),
            Value::Bytes(bytes) if bytes.len() % 4 == 0 => {
                let words = bytes.as_chunks::<4>().0.iter();
                into.extend(words.map(|&word| f32::from_le_bytes(word)));
            }
            _ => return Err(NetworkError::BadModel(format!("its {what} are no floats"))),
        }
        Ok(())
    }

    /// A repeated 64-bit float: one, or many packed.
    pub(super) fn doubles(self, what: &str, into: &mut Vec<f64>) -> Result<()> {
        match self {
            Value::Word64(bits) => into.push(f64::from_bits(bits)),
            Value::Bytes(bytes) if bytes.len() % 8 == 0 => {
                let words = bytes.as_chunks::<8>().0.iter();
                into.extend(words.map(|&word| f64::from_le_bytes(word)));
            }
            _ => {
                return Err(NetworkError::BadModel(format!("its {what} are no doubles")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>> {
        let mut fields = Fields::new(bytes, "message");
        let mut found = Vec::new();
        while let Some(field) = fields.next()? {
            found.push(field);
        }
        Ok(found)
    }

    /// The examples of the format's documentation: 150 in field 1, "testing" in field 2.
    #[test]
    fn fields_are_read() {
        assert_eq!(all(&[0x08, 0x96, 0x01]).unwrap(), [(1, Value::Varint(150))]);
        let bytes = b"\x12\x07testing\x1d\x00\x00\x80\x3f";
        let found = all(bytes).unwrap();
        assert_eq!(found[0], (2, Value::Bytes(b"testing")));
        assert_eq!(found[1], (3, Value::Word32(1f32.to_bits())));
        let mut ints = Vec::new();
        let packed = Value::Bytes(&[0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
        packed.ints("list", &mut ints).unwrap();
        assert_eq!(ints, [3, 270, 86942]);
        // −1 takes all ten bytes.
        let minus = [&[0xff; 9][..], &[0x01]].concat();
        ints.clear();
        Value::Bytes(&minus).ints("list", &mut ints).unwrap();
        assert_eq!(ints, [-1]);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        for bytes in [
            &[0x08][..],
            &[0x08, 0x96],
            &[0xff; 11],
            &[0x12, 0x07, b't'],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x1d, 0, 0],
            &[0x0b],
            &[0x00, 0x00],
        ] {
            assert!(all(bytes).is_err(), "{bytes:?}");
        }
    }
}

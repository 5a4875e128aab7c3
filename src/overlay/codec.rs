//! Numbers and byte strings in records: LEB128 integers, length-prefixed bytes.

use crate::types::{Oid, Timespec};

/// Why a record cannot be read: it is checked by the frame's checksum, so this is a bug or another
/// format, never a torn write.
pub(super) type Malformed = &'static str;

#[derive(Default)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub fn oid(&mut self, oid: &Oid) {
        self.bytes(oid.as_bytes());
    }

    pub fn time(&mut self, time: Timespec) {
        // Zigzag: times before 1970 are rare but legal.
        self.number(((time.sec << 1) ^ (time.sec >> 63)) as u64);
        self.number(u64::from(time.nsec));
    }
}

pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.bytes.split_first().ok_or("record ends early")?;
        self.bytes = rest;
        Ok(*first)
    }

    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err("number is too large");
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("number is too long")
    }

    pub fn small(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| "number is too large")
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| "length is too large")?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or("record ends early")?;
        self.bytes = rest;
        Ok(taken)
    }

    pub fn oid(&mut self) -> Result<Oid, Malformed> {
        Oid::try_from(self.bytes()?).map_err(|_| "not an object id")
    }

    pub fn time(&mut self) -> Result<Timespec, Malformed> {
        let raw = self.number()?;
        let sec = (raw >> 1) as i64 ^ -((raw & 1) as i64);
        let nsec = self.small()?;
        if nsec >= 1_000_000_000 {
            return Err("nanoseconds out of range");
        }
        Ok(Timespec { sec, nsec })
    }
}

/// One run of the host, from boot to power loss: what was not synced lives as long as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Reads what the kernel writes: a UUID in hex with dashes (random(4)).
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl std::fmt::Display for BootId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_form_is_read_and_no_other() {
        let id = BootId::parse("00112233-4455-6677-8899-aabbccddeeff\n").map(|id| id.to_string());
        assert_eq!(id.as_deref(), Some("00112233445566778899aabbccddeeff"));
        for wrong in ["", "00112233", "zz112233-4455-6677-8899-aabbccddeeff"] {
            assert_eq!(BootId::parse(wrong), None, "{wrong}");
        }
    }
}

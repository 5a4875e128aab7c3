use super::Ino;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map by inode number. Most of the work of a walk is to find inodes in such maps.
pub type InoMap<V> = HashMap<Ino, V, InoHash>;

/// Allocated numbers, which come in a row, stay in a row, so that files that were made one after the
/// other share cache lines. Derived ones follow from names that somebody else chose: they are spread
/// by a secret of this map, so that nobody can heap them.
#[derive(Clone, Debug)]
pub struct InoHash {
    secret: u64,
}

impl Default for InoHash {
    fn default() -> Self {
        Self { secret: RandomState::new().hash_one(0_u64) }
    }
}

impl BuildHasher for InoHash {
    type Hasher = InoHasher;

    fn build_hasher(&self) -> InoHasher {
        InoHasher { secret: self.secret, hash: 0 }
    }
}

/// See [`InoHash`].
#[derive(Debug)]
pub struct InoHasher {
    secret: u64,
    hash: u64,
}

impl Hasher for InoHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((1 << 63) | (self.hash ^ u64::from(*byte)));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.hash = if Ino(number).is_base() {
            folded_multiply(number ^ self.secret, self.secret | 1)
        } else {
            // The map tells neighbours apart by the top seven bits.
            number ^ (number << 57)
        };
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

/// Both halves of the product, so that each bit of the factors tells in the low ones.
fn folded_multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn low_bits(numbers: impl Iterator<Item = u64>, hash: &InoHash) -> usize {
        numbers.map(|number| hash.hash_one(Ino(number)) & 0xffff).collect::<HashSet<_>>().len()
    }

    #[test]
    fn numbers_in_a_row_stay_in_a_row() {
        let hash = InoHash::default();
        let hashes = (100..200).map(|number| hash.hash_one(Ino(number)) & ((1 << 50) - 1));
        assert!(hashes.eq(100..200));
    }

    #[test]
    fn derived_numbers_that_end_alike_are_spread_otherwise_in_each_map() {
        let numbers = || (0..1000).map(|high| (1 << 63) | (high << 40));
        let (one, other) = (InoHash::default(), InoHash::default());
        assert!(low_bits(numbers(), &one) > 950);
        assert_ne!(one.hash_one(Ino(1 << 63)), other.hash_one(Ino(1 << 63)));
    }
}

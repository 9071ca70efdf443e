//! Keys that live beside another one: in the same hash slot, so that one script may touch both, on
//! a cluster too.
//!
//! A slot is the CRC of a key's name, or of the part of it between its first braces. One of our
//! names that ends with the caller's has the same braces as the caller's key. Without any braces,
//! four letters at its end bring its CRC to the required value.

use crc::{CRC_16_XMODEM, Crc};
use once_cell::sync::Lazy;

use super::Key;

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);
const SLOTS: usize = 1 << 14;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

type Ending = [u8; 4];

/// For every slot, four letters that have it as a name.
static ENDINGS: Lazy<Vec<Ending>> = Lazy::new(|| {
    let mut endings = vec![None; SLOTS];
    let mut missing = SLOTS;
    for i in 0.. {
        let ending = ending(i);
        let slot = &mut endings[slot_of(CRC.checksum(&ending))];
        if slot.replace(ending).is_none() {
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    endings.into_iter().flatten().collect()
});

/// The key made of `space` and `name`, with an ending that puts it into the slot of `home`.
/// Different names give different keys. `prefix` also begins `home`, which ends with `name`; it
/// does not open a brace that it leaves open.
pub fn beside(home: &Key, prefix: &[u8], space: &[u8], name: &[u8]) -> Key {
    let mut stem =
        Vec::with_capacity(prefix.len() + space.len() + name.len() + size_of::<Ending>());
    stem.extend_from_slice(prefix);
    stem.extend_from_slice(space);
    stem.extend_from_slice(name);
    let ending = if tag(&stem).is_some() {
        ENDINGS[0]
    } else {
        // The CRC is linear: the ending has to contribute the difference.
        let slot = slot_of(CRC.checksum(home.as_bytes()));
        ENDINGS[slot ^ slot_of(continued(CRC.checksum(&stem)))]
    };
    stem.extend_from_slice(&ending);
    Key::from(stem)
}

/// The part of a key that determines its slot, if that is not all of it.
fn tag(key: &[u8]) -> Option<&[u8]> {
    let rest = &key[key.iter().position(|byte| *byte == b'{')? + 1..];
    let tag = &rest[..rest.iter().position(|byte| *byte == b'}')?];
    (!tag.is_empty()).then_some(tag)
}

/// A CRC after as many zeros as an ending has letters.
fn continued(crc: u16) -> u16 {
    let mut digest = CRC.digest_with_initial(crc);
    digest.update(&[0; size_of::<Ending>()]);
    digest.finalize()
}

fn slot_of(crc: u16) -> usize {
    usize::from(crc) % SLOTS
}

fn ending(number: usize) -> Ending {
    let mut rest = number;
    [(); size_of::<Ending>()].map(|()| {
        let letter = LETTERS[rest % LETTERS.len()];
        rest /= LETTERS.len();
        letter
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(key: &Key) -> usize {
        let key = key.as_bytes();
        slot_of(CRC.checksum(tag(key).unwrap_or(key)))
    }

    #[test]
    fn counts_slots_as_servers_do() {
        // The answer of CLUSTER KEYSLOT.
        for (name, expected) in [
            ("foo", 12182),
            ("123456789", 12739),
            ("{user1000}.following", 3443),
            ("foo{}{bar}", 8363),
        ] {
            assert_eq!(slot(&Key::new(&[name.as_bytes()])), expected, "{name}");
        }
    }

    #[test]
    fn every_name_has_its_neighbours_in_its_slot() {
        let names = [
            "", "a", "a:b", "{a}", "x{a}y", "{", "}", "{}", "{}{a}", "}{", "a{b", "é{ü}", "\0",
            "a{b}c{d}",
        ];
        for prefix in ["", "app:", "{app}:", "{}", "}"] {
            for name in names {
                let (prefix, name) = (prefix.as_bytes(), name.as_bytes());
                let home = Key::new(&[prefix, b"lock:", name]);
                for space in [&b"lock-queue:"[..], b"lock-fence:"] {
                    let neighbour = beside(&home, prefix, space, name);
                    assert_eq!(slot(&neighbour), slot(&home), "{home:?} {neighbour:?}");
                }
            }
        }
    }

    #[test]
    fn different_names_have_different_neighbours() {
        let neighbour =
            |name: &[u8]| beside(&Key::new(&[b"lock:", name]), b"", b"lock-queue:", name);
        let first = neighbour(b"a");
        let letters = &first.as_bytes()[first.as_bytes().len() - 4..];
        assert_ne!(first, neighbour(&[b"a", letters].concat()));
    }
}

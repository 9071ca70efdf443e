//! The strings of a page's values.

/// A JSON array that is not closed.
#[derive(Debug, Default)]
pub struct Strings {
    joined: Vec<u8>,
    count: u32,
}

impl Strings {
    /// A JSON string; answers its number.
    pub fn push_quoted(&mut self, quoted: &str) -> u32 {
        self.begin();
        self.joined.extend_from_slice(quoted.as_bytes());
        self.count - 1
    }

    /// What needs no escapes.
    pub fn push_plain(&mut self, text: &str) -> u32 {
        self.begin();
        self.joined.push(b'"');
        self.joined.extend_from_slice(text.as_bytes());
        self.joined.push(b'"');
        self.count - 1
    }

    fn begin(&mut self) {
        self.joined.push(if self.count == 0 { b'[' } else { b',' });
        self.count += 1;
    }

    /// The array, if there is any string in it.
    pub fn finish(&mut self) -> Option<&[u8]> {
        self.joined.push(b']');
        (self.count > 0).then_some(&self.joined)
    }

    pub fn mark(&self) -> (usize, u32) {
        (self.joined.len(), self.count)
    }

    pub fn cut(&mut self, (bytes, count): (usize, u32)) {
        self.joined.truncate(bytes);
        self.count = count;
    }
}

/// Short strings in ASCII that are on the page: where those that were written last are. Of two that share a slot, the later.
#[derive(Debug)]
pub struct Seen {
    slots: Box<[Slot; SLOTS]>,
    is_clean: bool,
}

const SLOTS: usize = 512;
const SHORT_BYTES: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// In the joined strings, behind the quotation mark; 0 for none.
    start: u32,
    number: u32,
}

const EMPTY: Slot = Slot {
    start: 0,
    number: 0,
};

impl Default for Seen {
    fn default() -> Self {
        Self {
            slots: Box::new([EMPTY; SLOTS]),
            is_clean: true,
        }
    }
}

impl Seen {
    /// The number of a string without escapes, written unless it is there.
    pub fn number(&mut self, text: &str, strings: &mut Strings) -> u32 {
        if text.len() > SHORT_BYTES {
            return strings.push_plain(text);
        }
        let slot = &mut self.slots[hash(text.as_bytes()) % SLOTS];
        let start = slot.start as usize;
        let there = strings.joined.get(start..start + text.len() + 1);
        let is_there = start > 0
            && there.is_some_and(|there| {
                there[..text.len()] == *text.as_bytes() && there[text.len()] == b'"'
            });
        if !is_there {
            // Behind a comma and a quotation mark.
            slot.start = strings.joined.len() as u32 + 2;
            slot.number = strings.push_plain(text);
            self.is_clean = false;
        }
        slot.number
    }

    pub fn forget(&mut self) {
        if !self.is_clean {
            self.slots.fill(EMPTY);
            self.is_clean = true;
        }
    }
}

/// FNV-1a, of what has 32 bytes at most.
fn hash(bytes: &[u8]) -> usize {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = bytes.iter().fold(0x811c_9dc5, mix);
    (hash ^ hash >> 15) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_string_is_written_once() {
        let (mut seen, mut strings) = (Seen::default(), Strings::default());
        let long = "l".repeat(SHORT_BYTES + 1);
        let texts = ["", "a", "ab", "a", &long, "", "ab", &long];
        let numbers = texts.map(|text| seen.number(text, &mut strings));
        assert_eq!(numbers, [0, 1, 2, 1, 3, 0, 2, 4]);
        let joined = format!(r#"["","a","ab","{long}","{long}"]"#);
        assert_eq!(strings.finish(), Some(joined.as_bytes()));
    }

    #[test]
    fn what_was_cut_off_is_written_again() {
        let (mut seen, mut strings) = (Seen::default(), Strings::default());
        seen.number("stays", &mut strings);
        let mark = strings.mark();
        seen.number("x", &mut strings);
        seen.number("gone", &mut strings);
        strings.cut(mark);
        seen.forget();
        strings.push_plain("é");
        assert_eq!(seen.number("gone", &mut strings), 2);
        let joined = r#"["stays","é","gone"]"#;
        assert_eq!(strings.finish(), Some(joined.as_bytes()));
    }

    #[test]
    fn many_strings_keep_their_numbers() {
        let (mut seen, mut strings) = (Seen::default(), Strings::default());
        let texts: Vec<String> = (0..20 * SLOTS).map(|i| (i % 3000).to_string()).collect();
        let number = |text: &String| seen.number(text, &mut strings);
        let numbers: Vec<u32> = texts.iter().map(number).collect();
        let joined: Vec<String> = serde_json::from_slice(strings.finish().unwrap()).unwrap();
        for (text, number) in texts.iter().zip(numbers) {
            assert_eq!(joined[number as usize], *text);
        }
    }

    #[test]
    fn no_string_is_no_array() {
        assert_eq!(Strings::default().finish(), None);
    }
}

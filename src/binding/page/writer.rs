//! From JSON to the codes of which JavaScript builds a value (`lib/shaped.js`).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as JsonValue;

use super::shaped::{Shaped, Shaper};
use super::shapes::Shapes;
use super::strings::{SHORT_BYTES, Strings};

/// The last bits of a code; what is above them is a number.
pub mod code {
    pub const BITS: u32 = 3;
    /// The string of the page that is so numbered.
    pub const NARROW: i32 = 0;
    pub const WIDE: i32 = 1;
    /// As many characters of the page's short strings, the next ones.
    pub const SHORT: i32 = 2;
    /// The short string that is so numbered, which has been there before.
    pub const AGAIN: i32 = 3;
    /// An integer, itself.
    pub const SMALL: i32 = 4;
    pub const NULL: i32 = 5;
    pub const FALSE: i32 = 5 | 1 << BITS;
    pub const TRUE: i32 = 5 | 2 << BITS;
    /// The next double of the page.
    pub const DOUBLE: i32 = 5 | 3 << BITS;
    /// As many values follow.
    pub const ARRAY: i32 = 6;
    /// Of the shape that is so numbered; its values follow.
    pub const OBJECT: i32 = 7;
}

/// Beyond, an integer is a double.
const SMALL_LIMIT: i64 = 1 << (31 - code::BITS);

/// Reads one node, and what is in it.
pub struct Writer<'a> {
    pub page: &'a mut Shaped,
    pub shaper: &'a mut Shaper,
}

impl Writer<'_> {
    fn push_code(&mut self, kind: i32, number: i32) {
        self.page.codes.push(number << code::BITS | kind);
    }

    fn push_string(&mut self, text: &str, push: impl FnOnce(&mut Strings) -> u32) {
        if !text.is_ascii() {
            let number = push(&mut self.page.wide);
            self.push_code(code::WIDE, number as i32);
        } else if text.len() > SHORT_BYTES {
            let number = push(&mut self.page.narrow);
            self.push_code(code::NARROW, number as i32);
        } else {
            match self.shaper.seen.find_or_push(text, &mut self.page.short) {
                Some(number) => self.push_code(code::AGAIN, number as i32),
                None => self.push_code(code::SHORT, text.len() as i32),
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Writer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Writer<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON of known shapes")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.page.codes.push(code::NULL);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        let code = if value { code::TRUE } else { code::FALSE };
        self.page.codes.push(code);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        if !(-SMALL_LIMIT..SMALL_LIMIT).contains(&value) {
            return self.visit_f64(value as f64);
        }
        self.push_code(code::SMALL, value as i32);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.page.codes.push(code::DOUBLE);
        self.page.doubles.push(value);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.push_string(text, |strings| strings.push_plain(text));
        Ok(())
    }

    /// One that has escapes.
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.push_string(text, |strings| {
            strings.push_quoted(&JsonValue::from(text).to_string())
        });
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let at = self.page.codes.len();
        self.page.codes.push(code::ARRAY);
        let mut count = 0;
        while items.next_element_seed(&mut *self)?.is_some() {
            count += 1;
        }
        self.page.codes[at] |= count << code::BITS;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let at = self.page.codes.len();
        self.page.codes.push(code::OBJECT);
        let mut place = Shapes::start();
        // A key with escapes is not borrowed, and an error.
        while let Some(key) = entries.next_key::<&'de str>()? {
            let next = self.shaper.shapes.step(place, key);
            place = next.ok_or_else(no_shape)?;
            entries.next_value_seed(&mut *self)?;
        }
        let number = self.shaper.shapes.number(place).ok_or_else(no_shape)?;
        self.page.codes[at] |= (number as i32) << code::BITS;
        Ok(())
    }
}

fn no_shape<E: Error>() -> E {
    E::custom("no shape that is known")
}

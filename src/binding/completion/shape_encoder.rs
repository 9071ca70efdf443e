//! From JSON to the codes from which JavaScript builds a value (`lib/shaped.js`).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as JsonValue;

use super::layout::{CODE_BITS, CodeKind, CodeOther};
use super::shaped::{Shaped, Shaper};
use super::shapes::Shapes;
use super::strings::{SHORT_BYTES, Strings};

/// Beyond this, an integer is a double.
const SMALL_LIMIT: i64 = 1 << (31 - CODE_BITS);

/// One that takes longer would delay what follows it on the I/O thread.
pub(super) const MOST_BYTES: usize = 64 * 1024;

impl Shaped {
    /// Writes a value and returns where it begins; or writes nothing, if it has to be sent as a
    /// text.
    pub fn push(&mut self, text: &str, shaper: &mut Shaper) -> Option<u32> {
        if !shaper.is_on || text.len() > MOST_BYTES || !self.has_room(text.len()) {
            return None;
        }
        let (codes, doubles) = (self.codes.len(), self.doubles.len());
        let (short, starts) = (self.short.mark(), self.short_starts.len());
        let (narrow, wide) = (self.narrow.mark(), self.wide.mark());
        let mut json = serde_json::Deserializer::from_str(text);
        let mut writer = ShapeEncoder {
            completion: self,
            shaper: &mut *shaper,
        };
        let outcome = writer.deserialize(&mut json).and_then(|()| json.end());
        if outcome.is_err() {
            self.codes.truncate(codes);
            self.doubles.truncate(doubles);
            self.short.cut(short);
            self.short_starts.truncate(starts);
            self.narrow.cut(narrow);
            self.wide.cut(wide);
            shaper.seen.forget();
            return None;
        }
        self.bytes += text.len();
        Some(codes as u32)
    }
}

/// Reads one node and its contents.
pub struct ShapeEncoder<'a> {
    pub completion: &'a mut Shaped,
    pub shaper: &'a mut Shaper,
}

impl ShapeEncoder<'_> {
    fn push_code(&mut self, kind: CodeKind, number: i32) {
        self.completion
            .codes
            .push(number << CODE_BITS | kind as i32);
    }

    fn push_other(&mut self, other: CodeOther) {
        self.push_code(CodeKind::Other, other as i32);
    }

    /// The number of a code that has been written without one.
    fn set_number(&mut self, at: usize, number: u32) {
        self.completion.codes[at] |= (number as i32) << CODE_BITS;
    }

    fn push_string(&mut self, text: &str, push: impl FnOnce(&mut Strings) -> u32) {
        let (kind, number) = if !text.is_ascii() {
            (CodeKind::Wide, push(&mut self.completion.wide))
        } else if text.len() > SHORT_BYTES {
            (CodeKind::Narrow, push(&mut self.completion.narrow))
        } else {
            (
                CodeKind::Short,
                self.completion.push_short(text, &mut self.shaper.seen),
            )
        };
        self.push_code(kind, number as i32);
    }
}

impl<'de> DeserializeSeed<'de> for &mut ShapeEncoder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut ShapeEncoder<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON of known shapes")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push_other(CodeOther::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push_other(match value {
            true => CodeOther::True,
            false => CodeOther::False,
        });
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
        self.push_code(CodeKind::Small, value as i32);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        let number = CodeOther::Doubles as i32 + self.completion.doubles.len() as i32;
        self.push_code(CodeKind::Other, number);
        self.completion.doubles.push(value);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.push_string(text, |strings| strings.push_plain(text));
        Ok(())
    }

    /// A string with escapes.
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.push_string(text, |strings| {
            strings.push_quoted(&JsonValue::from(text).to_string())
        });
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let at = self.completion.codes.len();
        self.push_code(CodeKind::Array, 0);
        let mut count = 0;
        while items.next_element_seed(&mut *self)?.is_some() {
            count += 1;
        }
        self.set_number(at, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let at = self.completion.codes.len();
        self.push_code(CodeKind::Object, 0);
        let mut place = Shapes::start();
        // A key with escapes is not borrowed, which is an error here.
        while let Some(key) = entries.next_key::<&'de str>()? {
            let next = self.shaper.shapes.step(place, key);
            place = next.ok_or_else(no_shape)?;
            entries.next_value_seed(&mut *self)?;
        }
        let number = self.shaper.shapes.number(place).ok_or_else(no_shape)?;
        self.set_number(at, number);
        Ok(())
    }
}

fn no_shape<E: Error>() -> E {
    E::custom("no shape that is known")
}

//! Values that JavaScript builds without parsing them.
//!
//! Most of the work of `JSON.parse` is looking up: each key, and each short string, in V8's tables.
//! Here the I/O thread reads the text, and a completion carries a code for each node of a value;
//! the strings, each short one once; and the numbers that are not small integers. JavaScript
//! (`lib/shaped.js`) creates an object of a shape that it was told of (`shapes.rs`) by a function
//! that contains the keys: this takes a fifth of the time of `JSON.parse` and gives the same value.
//! A text that is not JSON, or that has an object of no known shape, is sent as a text.

use super::layout::{COMPLETION_CODES, COMPLETION_DOUBLES, COMPLETION_SHORTS};
use super::shapes::Shapes;
use super::strings::{SeenStrings, Strings};
use crate::binding::buffer_pool::BufferPool;

/// The values of a completion.
#[derive(Debug)]
pub struct Shaped {
    pub codes: Vec<i32>,
    pub doubles: Vec<f64>,
    /// Short ones in ASCII.
    pub short: Strings,
    /// Where each of them begins; when the completion is finished, also where the last one ends.
    pub short_starts: Vec<u32>,
    /// Longer ones in ASCII.
    pub narrow: Strings,
    /// Others.
    pub wide: Strings,
    /// Of the texts that were read.
    pub bytes: usize,
}

/// What outlives a completion.
#[derive(Debug)]
pub struct Shaper {
    pub(super) is_on: bool,
    pub shapes: Shapes,
    pub seen: SeenStrings,
}

impl Shaped {
    pub fn new(pool: &BufferPool) -> Self {
        Self {
            codes: Vec::new(),
            doubles: Vec::new(),
            short: Strings::new(pool),
            short_starts: Vec::new(),
            narrow: Strings::new(pool),
            wide: Strings::new(pool),
            bytes: 0,
        }
    }

    /// Returns the number of the string.
    pub fn push_short(&mut self, text: &str, seen: &mut SeenStrings) -> u32 {
        let start = self.short.joined.len() as u32;
        let (number, is_there) = seen.find_or_push(text, &mut self.short);
        if !is_there {
            self.short_starts.push(start);
        }
        number
    }

    /// Closes the arrays.
    pub fn finish(&mut self) {
        self.narrow.finish();
        self.wide.finish();
        if !self.short_starts.is_empty() {
            self.short_starts.push(self.short.joined.len() as u32);
        }
    }

    /// A node takes a byte and a separator; a double or a string takes two and a separator. The end
    /// of the last short string takes a place, too.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let (nodes, long_nodes) = (bytes.div_ceil(2), bytes.div_ceil(3));
        self.codes.len() + nodes <= COMPLETION_CODES as usize
            && self.doubles.len() + long_nodes <= COMPLETION_DOUBLES as usize
            && self.short_starts.len() + long_nodes < COMPLETION_SHORTS as usize
    }
}

impl Shaper {
    /// If it is off, every value is sent as a text.
    pub fn new(is_on: bool) -> Self {
        Self {
            is_on,
            shapes: Shapes::default(),
            seen: SeenStrings::default(),
        }
    }

    /// Must be called at the end of each completion.
    pub fn end_completion(&mut self) -> Option<String> {
        self.seen.forget();
        self.shapes.take_news()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as JsonValue, json};

    use super::*;
    use crate::binding::completion::layout::{CODE_BITS, CodeKind, CodeOther};
    use crate::binding::completion::shape_encoder::MOST_BYTES;

    const NARROW: i32 = CodeKind::Narrow as i32;
    const WIDE: i32 = CodeKind::Wide as i32;
    const SHORT: i32 = CodeKind::Short as i32;
    const SMALL: i32 = CodeKind::Small as i32;
    const OTHER: i32 = CodeKind::Other as i32;
    const ARRAY: i32 = CodeKind::Array as i32;

    /// In the form in which `lib/shaped.js` reads a completion.
    struct Reader<'a> {
        codes: std::slice::Iter<'a, i32>,
        completion: &'a Shaped,
        narrow: Vec<JsonValue>,
        wide: Vec<JsonValue>,
        shapes: &'a [Vec<String>],
    }

    impl Reader<'_> {
        fn read(&mut self) -> JsonValue {
            let code = *self.codes.next().unwrap();
            let number = (code >> CODE_BITS) as usize;
            match code & ((1 << CODE_BITS) - 1) {
                NARROW => self.narrow[number].clone(),
                WIDE => self.wide[number].clone(),
                SHORT => self.short(number),
                SMALL => json!(code >> CODE_BITS),
                OTHER => match number.checked_sub(CodeOther::Doubles as usize) {
                    Some(number) => json!(self.completion.doubles[number]),
                    None => [json!(null), json!(false), json!(true)][number].clone(),
                },
                ARRAY => (0..number).map(|_| self.read()).collect(),
                _ => {
                    let keys = self.shapes[number].clone();
                    keys.into_iter().map(|key| (key, self.read())).collect()
                }
            }
        }

        fn short(&self, number: usize) -> JsonValue {
            let starts = &self.completion.short_starts[number..=number + 1];
            let text = &self.completion.short.joined[starts[0] as usize..starts[1] as usize];
            json!(std::str::from_utf8(text).unwrap())
        }
    }

    fn read_all(completion: &mut Shaped, shapes: &[Vec<String>], values: usize) -> Vec<JsonValue> {
        completion.finish();
        let list = |strings: &Strings| match &strings.joined[..] {
            [] => Vec::new(),
            json => serde_json::from_slice(json).unwrap(),
        };
        let mut reader = Reader {
            narrow: list(&completion.narrow),
            wide: list(&completion.wide),
            codes: completion.codes.iter(),
            completion,
            shapes,
        };
        let read = (0..values).map(|_| reader.read()).collect();
        assert!(reader.codes.next().is_none());
        read
    }

    /// Pushes a text until it is taken. Returns the shapes that were new.
    fn learn(text: &str, shaper: &mut Shaper) -> Vec<Vec<String>> {
        let mut completion = Shaped::new(&BufferPool::default());
        let tries = (0..100).find(|_| completion.push(text, shaper).is_some());
        assert!(tries.is_some(), "{text}");
        let news = shaper
            .end_completion()
            .map(|news| serde_json::from_str(&news).unwrap());
        let shapes = news.map_or(json!([]), |news: JsonValue| news["shapes"].clone());
        serde_json::from_value(shapes).unwrap()
    }

    fn is_untouched(completion: &Shaped) -> bool {
        let numbers = completion.codes.len()
            + completion.doubles.len()
            + completion.short_starts.len()
            + completion.bytes;
        let strings = [&completion.narrow, &completion.wide].map(|strings| strings.joined.len());
        numbers == 0 && strings == [0; 2] && completion.short.joined.is_empty()
    }

    #[test]
    fn values_are_what_the_texts_say() {
        let texts = [
            r#"{"id":7,"name":"Zo\u00eb","tags":["a","b","a",""],"at":{"x":-1.5,"y":1e21},"none":null}"#,
            r#" {"id" : 268435456,"name":"田中","tags":[],"at":{"x":-268435457,"y":18446744073709551615},"none":false} "#,
            r#"{"id":-268435456,"name":"\"\\\n\u0000\ud83d\ude00","tags":[true,[[{}]]],"at":{"x":0.1,"y":9007199254740993},"none":"a"}"#,
            r#""text""#,
            "12",
            "[]",
        ];
        let mut shaper = Shaper::new(true);
        let mut shapes = Vec::new();
        for text in texts {
            shapes.extend(learn(text, &mut shaper));
        }
        let mut completion = Shaped::new(&BufferPool::default());
        for text in texts {
            assert!(completion.push(text, &mut shaper).is_some());
        }
        let read = read_all(&mut completion, &shapes, texts.len());
        let parse = |text: &str| -> JsonValue { serde_json::from_str(text).unwrap() };
        let expected: JsonValue = texts.map(parse).into_iter().collect();
        assert_eq!(in_doubles(read.into()), in_doubles(expected));
    }

    /// In JavaScript, all numbers are doubles.
    fn in_doubles(json: JsonValue) -> JsonValue {
        match json {
            JsonValue::Number(number) => json!(number.as_f64()),
            JsonValue::Array(items) => items.into_iter().map(in_doubles).collect(),
            JsonValue::Object(entries) => entries
                .into_iter()
                .map(|(key, value)| (key, in_doubles(value)))
                .collect(),
            other => other,
        }
    }

    #[test]
    fn minus_zero_stays_one() {
        let mut completion = Shaped::new(&BufferPool::default());
        assert!(
            completion
                .push("[-0,-0.0,0]", &mut Shaper::new(true))
                .is_some()
        );
        assert_eq!(completion.doubles.len(), 2);
        assert!(
            completion
                .doubles
                .iter()
                .all(|zero| zero.is_sign_negative())
        );
    }

    #[test]
    fn what_is_not_json_or_of_no_known_shape_leaves_nothing() {
        let mut shaper = Shaper::new(true);
        learn(r#"{"a":"b"}"#, &mut shaper);
        let texts = [
            "",
            "{",
            r#"{"a":"c""#,
            r#"{"a":"c"},1"#,
            r#"{"a":"c"} x"#,
            r#"["c",01]"#,
            "[1e400]",
            r#"["c","\ud800"]"#,
            r#"{"a":"c","a":"d"}"#,
            r#"{"__proto__":"c"}"#,
            r#"[{"a":"c"},{"\u0061":"c"}]"#,
            r#"[0.5,"c","é",{"new":1}]"#,
        ];
        for text in texts {
            let mut completion = Shaped::new(&BufferPool::default());
            assert!(completion.push(text, &mut shaper).is_none(), "{text}");
            assert!(is_untouched(&completion), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(
            Shaped::new(&BufferPool::default())
                .push(&deep, &mut shaper)
                .is_none()
        );
    }

    #[test]
    fn a_completion_takes_no_more_than_javascript_has_room_for() {
        let mut shaper = Shaper::new(true);
        for (item, most) in [
            ("0,", COMPLETION_CODES),
            ("-0,", COMPLETION_DOUBLES),
            ("\"\",", COMPLETION_SHORTS),
        ] {
            let body = item.repeat((MOST_BYTES - 4) / item.len());
            let value = format!("[{body}0]");
            let mut completion = Shaped::new(&BufferPool::default());
            while completion.push(&value, &mut shaper).is_some() {}
            completion.finish();
            let used = completion.codes.len().max(completion.doubles.len());
            let used = used.max(completion.short_starts.len());
            assert!(completion.bytes > 0 && used <= most as usize);
            let mut completion = Shaped::new(&BufferPool::default());
            assert!(completion.push("[0,-0]", &mut shaper).is_some());
        }
        let large = format!("\"{}\"", "x".repeat(MOST_BYTES));
        assert!(
            Shaped::new(&BufferPool::default())
                .push(&large, &mut shaper)
                .is_none()
        );
    }

    #[test]
    fn one_that_is_off_takes_nothing() {
        let mut completion = Shaped::new(&BufferPool::default());
        assert!(completion.push("1", &mut Shaper::new(false)).is_none());
        assert!(is_untouched(&completion));
    }
}

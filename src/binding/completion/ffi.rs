//! A completion in the form that JavaScript receives.

use bytes::Bytes;
use napi::bindgen_prelude::*;
use napi::{check_status, sys};
use napi_derive::napi;

use super::Completion;
use super::shaped::Shaped;
use crate::binding::buffer_pool::PooledBuffer;

/// Arguments of the JavaScript function that takes a completion: the number of records, the
/// separator, both texts, each after its number of values, and the bytes of binary messages; then
/// the strings of built values, short, narrow and wide, and the new shapes, or null. Empty
/// arguments are undefined.
pub type CompletionArgs = FnArgs<(
    u32,
    u32,
    u32,
    CompletionText,
    u32,
    CompletionText,
    CompletionBytes,
    CompletionText,
    CompletionText,
    CompletionText,
    Option<JsonText>,
)>;

/// The memory from which JavaScript reads the numeric parts of a completion (layout.rs): the
/// records; the codes and doubles from which values are built; and where each short string begins,
/// and the last one ends.
#[napi(object, object_to_js = false)]
pub struct CompletionMemory {
    pub records: Uint32Array,
    pub codes: Int32Array,
    pub doubles: Float64Array,
    pub shorts: Uint32Array,
}

impl CompletionMemory {
    pub fn open(&mut self, completion: Completion) -> CompletionArgs {
        let count = completion.records();
        self.fill(&completion);
        let text = |bytes, is_ascii| CompletionText { bytes, is_ascii };
        let Shaped {
            short,
            narrow,
            wide,
            ..
        } = completion.shaped;
        (
            count,
            completion.separator,
            completion.narrow.values,
            text(completion.narrow.joined, true),
            completion.wide.values,
            text(completion.wide.joined, false),
            CompletionBytes(completion.binary),
            text(short.joined, true),
            text(narrow.joined, true),
            text(wide.joined, false),
            completion.news.map(|news| JsonText(news.into())),
        )
            .into()
    }

    fn fill(&mut self, completion: &Completion) {
        let shaped = &completion.shaped;
        // SAFETY: this runs on the JavaScript thread, while no JavaScript runs.
        unsafe {
            copy(&completion.words, self.records.as_mut());
            copy(&shaped.codes, self.codes.as_mut());
            copy(&shaped.doubles, self.doubles.as_mut());
            copy(&shaped.short_starts, self.shorts.as_mut());
        }
    }
}

/// A completion holds no more than there is room for.
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    to[..from.len()].copy_from_slice(from);
}

/// A text of a completion, turned into a JavaScript string when it is handed over. It is undefined
/// when it is empty, or when V8 has no room for it: then the answers in it fail, and no others.
pub struct CompletionText {
    /// UTF-8.
    bytes: PooledBuffer,
    is_ascii: bool,
}

impl ToNapiValue for CompletionText {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        match text.bytes.is_empty() {
            true => undefined(env),
            false => create_string(env, &text.bytes, text.is_ascii).or_else(|_| undefined(env)),
        }
    }
}

/// A JSON text, turned into a JavaScript string when it is handed over.
pub struct JsonText(pub Bytes);

impl ToNapiValue for JsonText {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        create_string(env, &text.0, text.0.is_ascii())
    }
}

fn undefined(env: sys::napi_env) -> Result<sys::napi_value> {
    let mut undefined = std::ptr::null_mut();
    // SAFETY: the environment is the one in which this runs.
    check_status!(unsafe { sys::napi_get_undefined(env, &mut undefined) })?;
    Ok(undefined)
}

/// From UTF-8.
fn create_string(env: sys::napi_env, text: &[u8], is_ascii: bool) -> Result<sys::napi_value> {
    let create = match is_ascii {
        true => sys::napi_create_string_latin1,
        false => sys::napi_create_string_utf8,
    };
    let mut string = std::ptr::null_mut();
    // SAFETY: the pointer and the length are those of the slice.
    check_status!(unsafe { create(env, text.as_ptr().cast(), text.len() as isize, &mut string) })?;
    Ok(string)
}

/// The bytes of a completion, turned into a Buffer; undefined when there are none, or no room for
/// them.
pub struct CompletionBytes(PooledBuffer);

impl ToNapiValue for CompletionBytes {
    unsafe fn to_napi_value(env: sys::napi_env, binary: Self) -> Result<sys::napi_value> {
        if binary.0.is_empty() {
            return undefined(env);
        }
        let (length, source) = (binary.0.len(), binary.0.as_ptr().cast());
        let (mut copy, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the pointer and the length are those of the vector.
        let status =
            unsafe { sys::napi_create_buffer_copy(env, length, source, &mut copy, &mut value) };
        match status {
            sys::Status::napi_ok => Ok(value),
            _ => undefined(env),
        }
    }
}

//! Takes completions to the JavaScript thread: a thread-safe function.
//!
//! It uses Node-API directly. The functions of napi-rs bring one more with them for each
//! environment (its feature `napi4`, "CustomGC"), which nobody can release, and which jest reports
//! as an open handle.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi::{check_status, sys};

use super::completion::Completion;
use super::completion::ffi::CompletionArgs;
use crate::mutex::{Mutex, MutexGuard};

const NAME: &str = "redis-backplane";

/// Takes completions to one function, from any thread, until it is dropped or the environment is
/// gone.
pub struct Carrier(Arc<SharedFunction>);

/// `None`: nobody takes completions any more.
struct SharedFunction(Mutex<Option<RawFunction>>);

struct RawFunction(sys::napi_threadsafe_function);

// SAFETY: thread-safe functions are there to be called from other threads.
unsafe impl Send for RawFunction {}

/// The data of the thread-safe function, on the JavaScript thread.
struct FunctionContext {
    line: Arc<SharedFunction>,
    alive: std::rc::Rc<KeepAlive>,
    open: Box<dyn FnMut(Completion) -> CompletionArgs>,
}

impl Carrier {
    /// `resource` is what async_hooks shows of it. It does not keep the process alive, except
    /// through `alive`.
    pub fn new(
        env: Env,
        on_completion: &Function<'_, CompletionArgs, ()>,
        resource: &Object<'_>,
        alive: std::rc::Rc<KeepAlive>,
        open: impl FnMut(Completion) -> CompletionArgs + 'static,
    ) -> Result<Self> {
        let line = Arc::new(SharedFunction(Mutex::default()));
        let receiver = Box::into_raw(Box::new(FunctionContext {
            line: line.clone(),
            alive: alive.clone(),
            open: Box::new(open),
        }));
        // SAFETY: all values are of this environment, and `receiver` lives until `finalize`.
        let created = unsafe { create(env, on_completion.raw(), resource.raw(), receiver.cast()) };
        let raw = created.inspect_err(|_| {
            // SAFETY: nobody has got it.
            drop(unsafe { Box::from_raw(receiver) });
        })?;
        *line.raw() = Some(RawFunction(raw));
        alive.function.set(raw);
        Ok(Self(line))
    }

    /// A completion that nobody can take is dropped.
    pub fn call(&self, completion: Completion) {
        let mut line = self.0.raw();
        let Some(RawFunction(raw)) = *line else {
            return;
        };
        let completion = Box::into_raw(Box::new(completion));
        // SAFETY: it is there as long as the line says so; the completion is taken back in `deliver`, or here.
        let status = unsafe {
            let how = sys::ThreadsafeFunctionCallMode::nonblocking;
            sys::napi_call_threadsafe_function(raw, completion.cast(), how)
        };
        if status == sys::Status::napi_ok {
            return;
        }
        if status == sys::Status::napi_closing {
            *line = None;
        }
        drop(line);
        // SAFETY: nobody has got it.
        drop(unsafe { Box::from_raw(completion) });
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl SharedFunction {
    fn raw(&self) -> MutexGuard<'_, Option<RawFunction>> {
        self.0.lock()
    }

    fn release(&self) {
        let mut line = self.raw();
        if let Some(RawFunction(raw)) = line.take() {
            // SAFETY: it was there until now, and is not named again.
            unsafe {
                let how = sys::ThreadsafeFunctionReleaseMode::release;
                sys::napi_release_threadsafe_function(raw, how)
            };
        }
    }
}

/// # Safety
/// The values are of this environment, in which this runs; `receiver` is a `FunctionContext`.
unsafe fn create(
    env: Env,
    on_completion: sys::napi_value,
    resource: sys::napi_value,
    receiver: *mut c_void,
) -> Result<sys::napi_threadsafe_function> {
    let env = env.raw();
    let (mut name, mut raw) = (ptr::null_mut(), ptr::null_mut());
    let length = NAME.len() as isize;
    // SAFETY: the caller's.
    unsafe {
        check_status!(sys::napi_create_string_utf8(
            env,
            NAME.as_ptr().cast(),
            length,
            &mut name
        ))?;
        check_status!(sys::napi_create_threadsafe_function(
            env,
            on_completion,
            resource,
            name,
            0,
            1,
            receiver,
            Some(finalize),
            receiver,
            Some(deliver),
            &mut raw,
        ))?;
        sys::napi_unref_threadsafe_function(env, raw);
    }
    Ok(raw)
}

/// No more pages come: it was released, or the environment ends. On the JavaScript thread.
unsafe extern "C" fn finalize(_env: sys::napi_env, receiver: *mut c_void, _hint: *mut c_void) {
    // SAFETY: it was made for this, and this is called once.
    let receiver = unsafe { Box::from_raw(receiver.cast::<FunctionContext>()) };
    receiver.alive.function.set(ptr::null_mut());
    receiver.line.release();
}

unsafe extern "C" fn deliver(
    env: sys::napi_env,
    on_completion: sys::napi_value,
    receiver: *mut c_void,
    completion: *mut c_void,
) {
    // SAFETY: `call` made it.
    let completion = unsafe { Box::from_raw(completion.cast::<Completion>()) };
    // The environment is gone, and the receiver may be gone.
    if env.is_null() {
        return;
    }
    let handed_over = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: it lives until `finalize`, and this is its thread.
        let receiver = unsafe { &mut *receiver.cast::<FunctionContext>() };
        // It would be written into memory that may belong to another queue.
        if receiver.alive.has_ended() {
            return Ok(());
        }
        receiver.alive.completed(completion.completed);
        let args = (receiver.open)(*completion).into_vec(env)?;
        // SAFETY: the arguments are of this environment.
        unsafe { hand_over(env, on_completion, &args) }
    }));
    if !matches!(handed_over, Ok(Ok(()))) {
        // SAFETY: this is the environment's thread.
        unsafe { complain(env) };
    }
}

/// # Safety
/// The values are of this environment, in which this runs.
unsafe fn hand_over(
    env: sys::napi_env,
    on_completion: sys::napi_value,
    args: &[sys::napi_value],
) -> Result<()> {
    let (mut this, mut answer) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the caller's.
    unsafe {
        check_status!(sys::napi_get_undefined(env, &mut this))?;
        let (count, first) = (args.len(), args.as_ptr());
        check_status!(sys::napi_call_function(
            env,
            this,
            on_completion,
            count,
            first,
            &mut answer
        ))
    }
}

/// What was thrown is an uncaught exception, as it is in any callback of Node's.
///
/// # Safety
/// To be called on the thread of the environment.
unsafe fn complain(env: sys::napi_env) {
    let mut error = ptr::null_mut();
    let mut is_pending = false;
    // SAFETY: the caller's.
    unsafe {
        sys::napi_is_exception_pending(env, &mut is_pending);
        if !is_pending {
            let what = c"redis-backplane: answers could not be handed over".as_ptr();
            sys::napi_throw_error(env, c"E_INTERNAL".as_ptr(), what);
        }
        if sys::napi_get_and_clear_last_exception(env, &mut error) == sys::Status::napi_ok {
            sys::napi_fatal_exception(env, error);
        }
    }
}

/// References the completion function while calls are pending, so that the process stays alive for
/// their answers and for nothing else. Lives on the JavaScript thread.
pub struct KeepAlive {
    env: Env,
    pending: Cell<u32>,
    /// Null before it is created, and after its end.
    function: Cell<sys::napi_threadsafe_function>,
}

impl KeepAlive {
    pub fn new(env: Env) -> Self {
        Self {
            env,
            pending: Cell::new(0),
            function: Cell::new(ptr::null_mut()),
        }
    }

    fn has_ended(&self) -> bool {
        self.function.get().is_null()
    }

    pub fn is_needed(&self) -> bool {
        self.pending.get() > 0
    }

    pub fn submitted(&self, calls: u32) {
        let function = self.function.get();
        if self.pending.get() == 0 && calls > 0 && !function.is_null() {
            // SAFETY: the function is there, and this is its thread.
            unsafe { sys::napi_ref_threadsafe_function(self.env.raw(), function) };
        }
        self.pending.set(self.pending.get() + calls);
    }

    pub fn completed(&self, calls: u32) {
        let pending = self.pending.get().saturating_sub(calls);
        let function = self.function.get();
        if pending == 0 && calls > 0 && !function.is_null() {
            // SAFETY: as above.
            unsafe { sys::napi_unref_threadsafe_function(self.env.raw(), function) };
        }
        self.pending.set(pending);
    }

    /// The completion function is released.
    pub fn end(&self) {
        self.function.set(ptr::null_mut());
    }
}

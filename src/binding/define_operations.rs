//! What becomes of the table of operations (operations.rs).

/// From each row: a kind of [`Op`], and an arm of `begin`, which reads the arguments and begins the call.
macro_rules! define_operations {
    ($(
        $name:ident($($argument:ident: $type:ty),*) =>
            $way:ident $(($when_overdue:expr))?, $counted:expr, |$backplane:ident| $run:expr;
    )*) => {
        /// What JavaScript can ask for. `src/binding/operations.rs` describes each.
        #[napi]
        #[derive(Clone, Copy)]
        pub enum Op {
            $($name,)*
        }

        /// By their numbers.
        pub const OPS: &[Op] = &[$(Op::$name),*];

        /// In the same order.
        const COUNTED_AS: &[Option<CountedAs>] = &[$($counted),*];

        /// Begins a call that is understood; answers one that is not, alone.
        pub fn begin(mut call: IncomingCall<'_>) {
            let Some(op) = OPS.get(call.op) else {
                return call.reject();
            };
            match op {
                $(
                    Op::$name => {
                        $(let $argument: $type = Argument::read(&mut call.arguments);)*
                        call.$way(
                            $(|| Answer::from($when_overdue),)?
                            move |$backplane: Arc<Backplane>| async move { Answer::from($run) },
                        );
                    }
                )*
            }
        }
    };
}

pub(super) use define_operations;

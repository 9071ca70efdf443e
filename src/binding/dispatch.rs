//! From the words of a submission to calls of backplanes.

use std::sync::Arc;

use super::Backplane;
use super::completion_queue::CompletionQueue;
use super::incoming_call::IncomingCall;
use super::operations::begin;
use super::submission::Submission;

/// Must be called on the I/O thread.
pub fn dispatch(
    submission: &Submission,
    completion_queue: &Arc<CompletionQueue>,
    backplane_of: impl Fn(u32) -> Option<Arc<Backplane>>,
) {
    let mut current: Option<(u32, Arc<Backplane>)> = None;
    for call in submission.calls() {
        let number = call.backplane;
        if current.as_ref().is_none_or(|(known, _)| *known != number) {
            current = backplane_of(number).map(|backplane| (number, backplane));
        }
        begin(IncomingCall {
            op: call.op,
            arguments: call.arguments,
            id: call.id,
            at: submission.at,
            backplane: current.as_ref().map(|(_, backplane)| backplane),
            completion_queue,
        });
    }
}

//! Several ids in one name.

/// `12:` and the rest.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().position(|byte| *byte == b':')?;
    let number = str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some((number, &text[digits + 1..]))
}

/// A socket's name within a room: the user's id after its length, and its own id.
pub fn field(user: &str, socket: &str) -> Vec<u8> {
    [&counted(user), socket.as_bytes()].concat()
}

pub fn parse_field(field: &[u8]) -> Option<(Box<str>, Box<str>)> {
    let (user, socket) = split_counted(field)?;
    Some((user, text(socket)?))
}

/// An id after its length in bytes, so that no id can reach into the next one.
pub fn counted(id: &str) -> Vec<u8> {
    format!("{}:{id}", id.len()).into_bytes()
}

/// The first id of several, and the rest.
pub fn split_counted(joined: &[u8]) -> Option<(Box<str>, &[u8])> {
    let (length, rest) = number(joined)?;
    let (id, rest) = rest.split_at_checked(length as usize)?;
    Some((text(id)?, rest))
}

fn text(id: &[u8]) -> Option<Box<str>> {
    str::from_utf8(id).ok().map(Box::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_run_into_each_other() {
        assert_ne!(field("a", "b:c"), field("a:b", "c"));
        assert_ne!(field("1", "1:2"), field("1:1", "2"));
    }
}

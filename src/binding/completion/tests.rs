use super::*;

fn json(text: &'static str) -> Answer {
    Answer::Json(Text::from_static(text.as_bytes()))
}

fn completion_of(answers: Vec<Answer>, shaper: &mut Shaper) -> Completion {
    let mut completion = Completion::new(&BufferPool::default());
    for (id, answer) in answers.into_iter().enumerate() {
        completion.push(id as u32, answer, shaper);
    }
    completion.finish(shaper);
    completion
}

/// One word of each record.
fn words(completion: &Completion, word: RecordWord) -> Vec<u32> {
    let records = completion.words.chunks(RecordWord::Size as usize);
    records.map(|record| record[word as usize]).collect()
}

fn forms(completion: &Completion) -> Vec<u32> {
    words(completion, RecordWord::Form)
}

#[test]
fn texts_are_joined_with_the_separator_behind_each() {
    let answers = vec![
        json(r#"{"a":1}"#),
        json("\"é\""),
        json("2"),
        Answer::Bool(true),
    ];
    let completion = completion_of(answers, &mut Shaper::new(false));
    let s = completion.separator;
    let forms_are = [
        AnswerForm::Narrow,
        AnswerForm::Wide,
        AnswerForm::Narrow,
        AnswerForm::True,
    ];
    assert_eq!(forms(&completion), forms_are.map(|form| form as u32));
    assert_eq!(words(&completion, RecordWord::Id), [0, 1, 2, 3]);
    assert_eq!(words(&completion, RecordWord::At), [0, 0, 1, 0]);
    assert_eq!(
        *completion.narrow.joined,
        format!(r#"[{{"a":1}},{s},2,{s}]"#).as_bytes()
    );
    assert_eq!(*completion.wide.joined, format!("[\"é\",{s}]").as_bytes());
    assert_eq!(completion.completed, 4);
}

#[test]
fn a_text_that_was_begun_elsewhere_stands_first_or_behind_others() {
    let begun = |text: &'static str| Answer::Begun(Begun::new(|json| json.extend(text.as_bytes())));
    let answers = vec![begun("[1]"), begun("\"é\""), json("2"), begun("[3]")];
    let completion = completion_of(answers, &mut Shaper::new(false));
    let s = completion.separator;
    assert_eq!(words(&completion, RecordWord::At), [0, 0, 1, 2]);
    assert_eq!(
        *completion.narrow.joined,
        format!("[[1],{s},2,{s},[3],{s}]").as_bytes()
    );
    assert_eq!(*completion.wide.joined, format!("[\"é\",{s}]").as_bytes());
}

#[test]
fn values_of_known_shapes_come_as_codes_beside_the_texts() {
    let mut shaper = Shaper::new(true);
    let known = || json(r#"{"a":"x"}"#);
    let completion = completion_of((0..100).map(|_| known()).collect(), &mut shaper);
    assert_eq!(
        completion.news.unwrap(),
        r#"{"isAnew":false,"shapes":[["a"]]}"#
    );

    let completion = completion_of(vec![known(), json("no JSON"), known()], &mut shaper);
    let s = completion.separator;
    let shaped = AnswerForm::Shaped as u32;
    assert_eq!(
        forms(&completion),
        [shaped, AnswerForm::Narrow as u32, shaped]
    );
    assert_eq!(words(&completion, RecordWord::At), [0, 0, 2]);
    assert_eq!(
        *completion.narrow.joined,
        format!("[no JSON,{s}]").as_bytes()
    );
    assert_eq!(completion.news, None);
}

#[test]
fn a_lease_is_in_the_record_never_in_a_text() {
    let stale = Answer::Stale(Text::from_static(b"1,2"), FillLease(1 << 32 | 7));
    let completion = completion_of(
        vec![stale, Answer::Absent(FillLease(3))],
        &mut Shaper::new(false),
    );
    let s = completion.separator;
    let roles = [AnswerRole::Stale as u32, AnswerRole::Absent as u32];
    assert_eq!(words(&completion, RecordWord::Role), roles);
    assert_eq!(words(&completion, RecordWord::LeaseHigh), [1, 0]);
    assert_eq!(words(&completion, RecordWord::LeaseLow), [7, 3]);
    assert_eq!(*completion.narrow.joined, format!("[1,2,{s}]").as_bytes());
}

#[test]
fn a_message_is_json_or_bytes_as_its_tag_says() {
    let message = |tag, channel: Option<&'static str>| Message {
        tag,
        channel: channel.map(Text::from),
        payload: Text::from_static(b"[1]"),
    };
    let mut completion = Completion::new(&BufferPool::default());
    let shaper = &mut Shaper::new(false);
    completion.push_message(&message(tag::new(7, true), None), shaper);
    completion.push_message(&message(tag::new(8, false), None), shaper);
    completion.push_message(&message(tag::new(9, false), Some("news")), shaper);
    let binary = AnswerForm::Binary as u32;
    assert_eq!(words(&completion, RecordWord::Id), [7, 8, 9]);
    assert_eq!(
        forms(&completion),
        [AnswerForm::Narrow as u32, binary, binary]
    );
    let channels = [NO_CHANNEL, NO_CHANNEL, 3];
    assert_eq!(words(&completion, RecordWord::ChannelAt), channels);
    assert_eq!(words(&completion, RecordWord::At), [0, 0, 7]);
    assert_eq!(words(&completion, RecordWord::End)[1..], [3, 10]);
    assert_eq!(*completion.binary, b"[1]news[1]");
    assert_eq!(completion.completed, 0);
}

#[test]
fn bytes_come_beside_the_texts() {
    let bytes = Answer::Bytes(Text::from_static(b"[1]\0[2]"));
    let completion = completion_of(vec![bytes, json("3")], &mut Shaper::new(false));
    assert_eq!(words(&completion, RecordWord::End)[0], 7);
    assert_eq!(*completion.binary, b"[1]\0[2]");
    assert_eq!(completion.completed, 2);
}

#[test]
fn bytes_that_are_no_text_are_unreadable_and_take_nothing() {
    let gzip = || Text::from_static(&[0x1f, 0x8b, 0xff]);
    let answers = vec![
        Answer::Json(gzip()),
        Answer::Fresh(gzip()),
        Answer::Stale(gzip(), FillLease(5)),
    ];
    let completion = completion_of(answers, &mut Shaper::new(false));
    assert_eq!(forms(&completion), [AnswerForm::Unreadable as u32; 3]);
    assert_eq!(completion.wide.values + completion.narrow.values, 0);
}

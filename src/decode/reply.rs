//! The events of one output, for the part of its text that is certain.
//!
//! Bytes that may begin a stop string are held back, so text is released later than its tokens
//! come. A token becomes events only when all of its bytes are released. So no event has text that
//! a stop string cuts off.

use std::collections::VecDeque;

use super::error::DecodeError;
use super::request::Request;
use crate::engine::EventReader;
use crate::tags::{Event, Fold, Reply};
use crate::vocab::TextStream;
use crate::vocab::TokenId;

/// The events of one output, and the reply that they make.
#[derive(Clone)]
pub(crate) struct ReplyStream {
    source: Source,
    waiting: VecDeque<PendingToken>,
    /// Number of bytes of the text that have been turned into events.
    read_bytes: usize,
    events: Vec<Event>,
    reply: Reply,
    is_finished: bool,
}

/// The source of events.
#[derive(Clone)]
enum Source {
    /// A constraint, which knows the parts of its outputs.
    Reader(Box<EventReader>),
    /// No constraint: everything is text.
    Text(Fold),
}

/// A token of the output that has not been turned into events.
#[derive(Clone, Copy)]
struct PendingToken {
    token: TokenId,
    /// Bytes of the token that belong to the output.
    len: usize,
    /// True unless the token's first bytes belong to the prompt.
    is_whole: bool,
}

impl ReplyStream {
    /// The events of an output of `request`, if it asks for them.
    pub fn new(request: &Request) -> Result<Option<Self>, DecodeError> {
        if !request.reply {
            return Ok(None);
        }
        let source = match &request.constraint {
            Some(constraint) => Source::Reader(Box::new(constraint.event_reader()?)),
            None => Source::Text(Fold::default()),
        };
        Ok(Some(ReplyStream {
            source,
            waiting: VecDeque::new(),
            read_bytes: 0,
            events: Vec::new(),
            reply: Reply::default(),
            is_finished: false,
        }))
    }

    /// Adds a token of `bytes` bytes. The last `own` of them belong to the output, and any others
    /// to the prompt.
    pub fn push(&mut self, token: TokenId, bytes: usize, own: usize) {
        self.waiting.push_back(PendingToken { token, len: own, is_whole: bytes == own });
    }

    /// Replaces the [events](Self::events) by those of the text that was released since the last
    /// call. After an error, or after the end, there are no more events.
    pub fn update(&mut self, text: &TextStream, is_over: bool) -> Result<(), DecodeError> {
        self.events.clear();
        if self.is_finished {
            return Ok(());
        }
        let result = self.read_on(text, is_over);
        self.is_finished = is_over || result.is_err();
        self.events.iter().for_each(|event| self.reply.add(event));
        result
    }

    fn read_on(&mut self, text: &TextStream, is_over: bool) -> Result<(), DecodeError> {
        let bytes = text.bytes();
        while let Some(&piece) = self.waiting.front() {
            let end = self.read_bytes + piece.len;
            if end > text.released() && !(is_over && end <= bytes.len()) {
                break;
            }
            self.waiting.pop_front();
            self.piece(piece, &bytes[self.read_bytes..end])?;
            self.read_bytes = end;
        }
        if is_over {
            // A stop string cuts the last token.
            if let Some(cut) = bytes.get(self.read_bytes..).filter(|cut| !cut.is_empty()) {
                match &mut self.source {
                    Source::Reader(reader) => {
                        reader.advance_bytes(cut, &mut self.events)?;
                    }
                    Source::Text(fold) => fold.bytes(cut, &mut self.events),
                }
            }
            match &mut self.source {
                Source::Reader(reader) => reader.finish(&mut self.events),
                Source::Text(fold) => fold.finish(&mut self.events),
            }
        }
        Ok(())
    }

    fn piece(&mut self, piece: PendingToken, bytes: &[u8]) -> Result<(), DecodeError> {
        match &mut self.source {
            // A token that ends the output and that the constraint does not know is refused here.
            Source::Reader(reader) if piece.is_whole => {
                reader.advance(piece.token, &mut self.events)?;
            }
            Source::Reader(reader) => {
                reader.advance_bytes(bytes, &mut self.events)?;
            }
            Source::Text(fold) => fold.bytes(bytes, &mut self.events),
        }
        Ok(())
    }

    /// The events of the last [`update`](Self::update).
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub fn into_reply(self) -> Reply {
        self.reply
    }
}

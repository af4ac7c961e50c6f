//! The bytes with which the words of a language begin, and the classes of bytes that it tells apart.

use super::byte_classes::{ByteClasses, ByteSet};
use super::facts::Liveness;
use super::interrupt;
use super::json_string::{self, JsonMode};
use super::languages::{Expr, LangId, Languages, UNRESOLVED};

impl Languages {
    /// Whether `id` is known to have words without a search, and so are its parts.
    fn liveness_is_known(&self, id: LangId) -> bool {
        self.info[id.index()].liveness == Liveness::Live
    }

    /// The bytes some word starts with, where no step is needed to tell.
    pub(super) fn first_bytes_of_leaf(&self, id: LangId) -> Option<ByteSet> {
        Some(match *self.expr(id) {
            Expr::Never | Expr::Empty => ByteSet::EMPTY,
            Expr::All => ByteSet::FULL,
            Expr::Literals { set, lo, hi, depth } => self.literals[set as usize].next_bytes(lo, hi, depth),
            Expr::Json { mode: JsonMode::Start, .. } => ByteSet::range(b'"', b'"'),
            _ => return None,
        })
    }

    /// The bytes some word starts with.
    pub fn first_bytes(&mut self, id: LangId) -> ByteSet {
        // What is as quick to find as to look up is not kept.
        if let Some(set) = self.first_bytes_of_leaf(id) {
            return set;
        }
        if let Some(set) = self.first_bytes.get(&id) {
            return *set;
        }
        let mut set = ByteSet::EMPTY;
        match *self.expr(id) {
            Expr::Chars(node) => {
                self.chars.edges(node).iter().for_each(|e| (e.lo..=e.hi).for_each(|b| set.insert(b)));
            }
            Expr::Repeat(body, ..) if self.liveness_is_known(id) => set = self.first_bytes(body),
            Expr::Union(ref parts) if parts.iter().all(|&p| self.liveness_is_known(p)) => {
                set = parts.clone().iter().fold(set, |set, &part| set.union(&self.first_bytes(part)));
            }
            Expr::Concat(head, tail) if self.liveness_is_known(id) => {
                set = self.first_bytes(head);
                // Chains may be long; only the heads that may be empty are followed.
                let mut at = (head, tail);
                while self.is_nullable(at.0) {
                    match *self.expr(at.1) {
                        Expr::Concat(head, tail) => {
                            at = (head, tail);
                            set = set.union(&self.first_bytes(head));
                        }
                        _ => {
                            set = set.union(&self.first_bytes(at.1));
                            break;
                        }
                    }
                }
            }
            _ => {
                let partition = self.partition(id);
                let live: Vec<bool> = {
                    let firsts = self.partitions.get(partition).representatives().to_vec();
                    firsts.into_iter().map(|b| self.step(id, b) != LangId::NEVER).collect()
                };
                let classes = self.partitions.get(partition);
                (0..=255u8).filter(|&b| live[classes.class(b)]).for_each(|b| set.insert(b));
            }
        }
        if !interrupt::is_over() {
            self.first_bytes.insert(id, set);
        }
        set
    }

    /// Whether an intersection or complement comes down to the empty word; other languages that do are
    /// [`LangId::EMPTY`] by construction.
    pub fn has_only_the_empty_word(&mut self, id: LangId) -> bool {
        matches!(self.expr(id), Expr::Inter(_) | Expr::Not(_))
            && self.is_nullable(id)
            && self.first_bytes(id) == ByteSet::EMPTY
    }

    /// The partition of the bytes that `id` and all its derivatives respect.
    pub(super) fn partition(&mut self, id: LangId) -> u32 {
        let known = self.info[id.index()].partition;
        if known != UNRESOLVED {
            return known;
        }
        let partition = match self.exprs[id.index()].clone() {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(node) => self.partitions.intern(self.chars.classes(node)),
            Expr::Literals { set, .. } => {
                if self.literal_partitions.len() <= set as usize {
                    self.literal_partitions.resize(set as usize + 1, UNRESOLVED);
                }
                if self.literal_partitions[set as usize] == UNRESOLVED {
                    let classes = self.literals[set as usize].classes();
                    self.literal_partitions[set as usize] = self.partitions.intern(classes);
                }
                self.literal_partitions[set as usize]
            }
            Expr::Concat(..) => {
                // From the last factor forwards: a chain of a hundred thousand factors must not recurse.
                let mut chain = vec![id];
                while let Some(Expr::Concat(_, tail)) = chain.last().map(|&at| self.expr(at)) {
                    chain.push(*tail);
                }
                let mut joined = chain.pop().map_or(0, |last| self.partition(last));
                while let Some(at) = chain.pop() {
                    if let Expr::Concat(head, _) = *self.expr(at) {
                        let head = self.partition(head);
                        joined = self.partitions.join(head, joined);
                        self.info[at.index()].partition = joined;
                    }
                }
                joined
            }
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().fold(0, |joined, &p| {
                let p = self.partition(p);
                self.partitions.join(joined, p)
            }),
            Expr::Not(a) | Expr::Repeat(a, ..) => self.partition(a),
            Expr::Json { inner, .. } => {
                let inner = self.partition(inner);
                let spelling = self.partitions.intern_ref(json_string::classes());
                self.partitions.join(inner, spelling)
            }
            Expr::Machine { machine, .. } => {
                self.partitions.intern(self.machines[machine as usize].0.classes())
            }
            Expr::Unknown(_) => self.partition_of_unknown(id),
        };
        self.info[id.index()].partition = partition;
        partition
    }

    /// Bytes that neither `id` nor any of its derivatives tells apart.
    pub fn byte_classes(&mut self, id: LangId) -> &ByteClasses {
        let partition = self.partition(id);
        self.partitions.get(partition)
    }
}

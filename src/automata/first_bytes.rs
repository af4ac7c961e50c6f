//! The bytes with which the words of a language begin, and the partition of bytes that it tells
//! apart.

use super::byte_classes::{ByteClasses, ByteSet};
use super::expr::{Expr, JsonMode, LangId, Liveness, UNRESOLVED};
use super::expr_pool::ExprPool;
use super::json_string;

impl ExprPool {
    /// True if `id` is known to have a word. If this is known without a search, the parts of the
    /// expression have words, too.
    fn liveness_is_known(&self, id: LangId) -> bool {
        self.info[id.index()].liveness == Liveness::Live
    }

    /// The bytes with which words of a leaf begin. `None` if a step is needed to tell.
    pub(super) fn first_bytes_of_leaf(&self, id: LangId) -> Option<ByteSet> {
        Some(match *self.expr(id) {
            Expr::Never | Expr::Empty => ByteSet::EMPTY,
            Expr::All => ByteSet::FULL,
            Expr::Literals { set, lo, hi, depth } => self.literals.get(set).next_bytes(lo, hi, depth),
            Expr::Json { mode: JsonMode::Start, .. } => ByteSet::range(b'"', b'"'),
            _ => return None,
        })
    }

    /// The bytes with which words begin.
    pub fn first_bytes(&mut self, id: LangId) -> ByteSet {
        // The set of a leaf is found as quickly as it would be looked up, so it is not kept.
        if let Some(set) = self.first_bytes_of_leaf(id) {
            return set;
        }
        if let Some(set) = self.first_bytes.get(&id) {
            return *set;
        }
        if !self.is_sound() {
            return ByteSet::EMPTY;
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
                // Chains may be long. They are followed as far as heads may be empty.
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
        if self.is_sound() {
            self.first_bytes.insert(id, set);
        }
        set
    }

    /// True if an intersection or complement has the empty word and no other. Other expressions
    /// without a further word are [`LangId::EMPTY`] by construction.
    pub fn has_only_the_empty_word(&mut self, id: LangId) -> bool {
        matches!(self.expr(id), Expr::Inter(_) | Expr::Not(_))
            && self.is_nullable(id)
            && self.first_bytes(id) == ByteSet::EMPTY
    }

    /// The number of the partition of the bytes that `id` and all its derivatives respect.
    #[inline]
    pub(super) fn partition(&mut self, id: LangId) -> u32 {
        let known = self.info[id.index()].partition;
        if known != UNRESOLVED {
            return known;
        }
        self.find_partition(id)
    }

    fn find_partition(&mut self, id: LangId) -> u32 {
        let mut stack = vec![id];
        // A list of work replaces recursion: expressions may nest as deep as counts are large.
        while let Some(&at) = stack.last() {
            if self.info[at.index()].partition != UNRESOLVED {
                stack.pop();
                continue;
            }
            self.work(1);
            let open = |part: &LangId| self.info[part.index()].partition == UNRESOLVED;
            let height = stack.len();
            match self.expr(at) {
                Expr::Concat(a, b) => stack.extend([*a, *b].into_iter().filter(open)),
                Expr::Union(parts) | Expr::Inter(parts) => {
                    stack.extend(parts.iter().copied().filter(open));
                }
                Expr::Not(a) | Expr::Repeat(a, ..) | Expr::Json { inner: a, .. } => {
                    stack.extend(Some(*a).filter(open));
                }
                Expr::Unknown(_) => {
                    if let Some(of) = self.loop_of(at) {
                        stack.extend(of.after.iter().copied().filter(open));
                    }
                }
                _ => {}
            }
            if stack.len() == height {
                self.info[at.index()].partition = self.partition_of(at);
            }
        }
        self.info[id.index()].partition
    }

    /// The partition of an expression whose parts have theirs.
    fn partition_of(&mut self, id: LangId) -> u32 {
        let of = |pool: &Self, part: LangId| pool.info[part.index()].partition;
        match self.exprs[id.index()].clone() {
            Expr::Never | Expr::Empty | Expr::All => 0,
            Expr::Chars(node) => self.partitions.intern(self.chars.classes(node)),
            Expr::Literals { set, .. } => self.literals.partition(set, &mut self.partitions),
            Expr::Concat(a, b) => {
                let (a, b) = (of(self, a), of(self, b));
                self.partitions.join(a, b)
            }
            Expr::Union(parts) | Expr::Inter(parts) => parts.iter().fold(0, |joined, &part| {
                let part = of(self, part);
                self.partitions.join(joined, part)
            }),
            Expr::Not(a) | Expr::Repeat(a, ..) => of(self, a),
            Expr::Json { inner, .. } => {
                let inner = of(self, inner);
                let spelling = self.partitions.intern_ref(json_string::classes());
                self.partitions.join(inner, spelling)
            }
            Expr::Machine { machine, .. } => self.partitions.intern(self.machines.get(machine).classes()),
            Expr::Unknown(_) => match self.loop_of(id).cloned() {
                Some(of) => self.partition_of_loop(&of),
                None => self.partition_of_unknown(id),
            },
        }
    }

    /// The partition of the bytes that `id` and its derivatives tell apart.
    pub fn byte_classes(&mut self, id: LangId) -> &ByteClasses {
        let partition = self.partition(id);
        self.partitions.get(partition)
    }
}

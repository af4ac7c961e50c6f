//! `date`: the full-date of RFC 3339 §5.6.
//!
//! Every month has its real length in the proleptic Gregorian calendar (appendix C).

use crate::automata::{ExprPool, LangId};

const PATTERN: &str = r"(?x)
    [0-9]{4} - (?: (?: 0[13578] | 1[02] ) - (?: 0[1-9] | [12][0-9] | 3[01] )
                 | (?: 0[469] | 11 )      - (?: 0[1-9] | [12][0-9] | 30 )
                 | 02                     - (?: 0[1-9] | 1[0-9] | 2[0-8] ) )
  | # Leap years: divisible by 4, but by 400 where divisible by 100.
    (?: [0-9]{2} (?: 0[48] | [2468][048] | [13579][26] ) | (?: [02468][048] | [13579][26] ) 00 ) - 02 - 29";

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, PATTERN)
}
